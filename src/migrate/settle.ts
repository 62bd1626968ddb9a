import { isOutOfReach, LockedError, RelayError } from '../errors.ts'
import { Disposables } from '../model/disposables.ts'
import type { HostConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { secretsOfJournal } from '../restore/command-services.ts'
import { checkUndo } from '../restore/before-undo.ts'
import { loaderSecrets } from '../restore/loader-secrets.ts'
import type { UndoResult } from '../restore/server/driver.ts'
import { listJournals, type RestoreJournal } from '../restore/server/journals.ts'
import { supersededBy } from '../restore/choose-journal.ts'
import { visit, type Visit, type VisitDependencies } from '../runs/visit.ts'
import { finishRestore, rollbackRestore } from '../restore/server/settle.ts'
import type { ResolveSecret } from '../secrets/contract.ts'
import { tellAccepted } from './accepted.ts'
import { verdict, type SideJournal } from './verdict.ts'

export interface SettleDependencies extends VisitDependencies {
  readonly resolveSecret: ResolveSecret
  /** Asks whether to go on; throws when not. */
  readonly confirm: (what: string) => Promise<void>
}

/** A migration as its journals name it; undefined: the config does not know that host any more. */
export interface UnsettledMigration {
  readonly id: string
  readonly from: { readonly name: string; readonly config: HostConfig | undefined }
  readonly to: { readonly name: string; readonly config: HostConfig | undefined }
}

export interface Settlement {
  readonly outcome: 'nothing' | 'finished' | 'undone'
  /** What happened, in order, a line each. */
  readonly notes: readonly string[]
}

/**
 * Settles a migration that died, or takes one back that was done, on both servers: TO first, so that never both
 * serve. May be repeated. Throws RelayError when it was refused, is stuck, or a run still works there.
 */
export async function settleMigration(
  { id, from, to }: UnsettledMigration,
  dependencies: SettleDependencies,
  signal: AbortSignal,
): Promise<Settlement> {
  await using fromSide = await openSide(id, from.config, dependencies, signal)
  await using toSide = await openSide(id, to.config, dependencies, signal)
  for (const [name, { lockedBy }] of [
    [from.name, fromSide],
    [to.name, toSide],
  ] as const) {
    if (lockedBy === undefined) continue
    throw new LockedError(`A run still works on ${name} (process ${lockedBy})`, {
      host: name,
      next: 'Wait until it has ended, a minute or two, and try again',
    })
  }
  const decided = verdict(fromSide.journal, toSide.journal)
  switch (decided.action) {
    case 'nothing':
      return { outcome: 'nothing', notes: await toSide.accepted(from.name) }
    case 'refuse':
      throw new RelayError('migration-unsettled', `Migration ${id} can't be settled: ${decided.why}`, {
        host: to.name,
        next:
          decided.back === true
            ? `Move it back with all that ${to.name} has: relay-backup migrate ${to.name} ${from.name} --cutover --replace`
            : `Run this again when ${from.name} can be reached. If it never will be, take it out of the config (or of ~/.ssh/config) first.`,
      })
    case 'finish': {
      await dependencies.confirm(
        `Close migration ${id}: ${from.name} was given up, ${to.name} serves and goes on`,
      )
      await toSide.finish()
      return { outcome: 'finished', notes: [`${to.name} serves; ${from.name} stays stopped`] }
    }
    case 'undo': {
      const { warning } = decided
      if (decided.to) refuseHistory(id, to.name, toSide)
      if (decided.from) refuseHistory(id, from.name, fromSide)
      await dependencies.confirm(
        [
          `Undo migration ${id}:`,
          ...(decided.to ? [`${to.name} stops, and what it has accepted is set aside there;`] : []),
          `${from.name} ${decided.from ? 'starts again' : 'is left as it is'}`,
          ...(warning === undefined ? [] : [`(${warning})`]),
        ].join(' '),
      )
      const notes: string[] = []
      if (decided.to) notes.push(...told(to.name, await toSide.undo(decided.from)))
      if (decided.from) notes.push(...told(from.name, await fromSide.undo(false)))
      notes.push(...(await toSide.accepted(from.name)))
      const stuck = [toSide, fromSide].find((side) => side.stuck !== undefined)
      if (stuck !== undefined) {
        throw new RelayError('rollback-stuck', `migration ${id} can't be undone further: ${stuck.stuck}`, {
          host: stuck === toSide ? to.name : from.name,
          next: 'Correct that on the server, then run this again; it goes on where it stopped.',
        })
      }
      return { outcome: 'undone', notes: [...notes, ...(warning === undefined ? [] : [warning])] }
    }
  }
}

/** Refuses to take a server back to before a later migration. Throws RelayError. */
function refuseHistory(id: string, name: string, { journals }: OpenSide): void {
  const later = supersededBy(journals, id)
  if (later?.migration === undefined) return
  const { role, host } = later.migration
  const what =
    role === 'from' ? `${name} was moved to ${printable(host)}` : `${printable(host)} was moved to ${name}`
  throw new RelayError(
    'migration-superseded',
    `Migration ${id} is history: ${what} by migration ${later.id} since`,
    {
      host: name,
      next: `If that one is to be taken back: relay-backup rollback --host ${name} --restore ${later.id}`,
    },
  )
}

function told(name: string, result: UndoResult | undefined): string[] {
  if (result === undefined) return []
  return [
    `${name}: ${result.outcome === 'abandoned' ? 'nothing had been changed' : 'as it was before'}`,
    ...result.notes.map((note) => `  ${printable(note)}`),
  ]
}

interface OpenSide extends AsyncDisposable {
  readonly journal: SideJournal
  /** All of that server, the oldest first. */
  readonly journals: readonly RestoreJournal[]
  readonly lockedBy: number | undefined
  /** Why undoing could not go on. */
  readonly stuck: string | undefined
  finish(): Promise<void>
  /** Lines for a person about the writes that it had accepted and has set aside; empty where it can't be asked. */
  accepted(from: string): Promise<readonly string[]>
  /** With `goOn` what keeps it from being undone is remembered as {@link stuck}, for the other side's sake. */
  undo(goOn: boolean): Promise<UndoResult | undefined>
}

async function openSide(
  id: string,
  host: HostConfig | undefined,
  dependencies: SettleDependencies,
  signal: AbortSignal,
): Promise<OpenSide> {
  if (host === undefined) return closedSide('gone')
  const held = new Disposables()
  try {
    const place = held.use(await visit(host, { settles: true }, dependencies, signal))
    return await readSide(id, place, dependencies)
  } catch (error) {
    await held[Symbol.asyncDispose]()
    if (!isOutOfReach(error)) throw error
    return closedSide('unreachable')
  }
}

/** The side takes the visit over. */
async function readSide(
  id: string,
  place: Visit & AsyncDisposable,
  dependencies: SettleDependencies,
): Promise<OpenSide> {
  const { host, remote } = place
  const { journals, lockedBy } = await listJournals(remote, place)
  const journal = journals.find((one) => one.id === id)
  // Before anything is done: one that is missing must not leave one side undone and the other not.
  const serviceSecrets =
    journal === undefined
      ? []
      : await secretsOfJournal(host, journal, dependencies.resolveSecret, place.signal)
  const secrets =
    journal === undefined || (journal.state === 'closed' && journal.how !== 'done')
      ? []
      : await loaderSecrets(host, [journal], dependencies.resolveSecret, place.signal)
  let stuck: string | undefined
  return {
    journal: journal ?? 'absent',
    journals,
    lockedBy,
    get stuck() {
      return stuck
    },
    finish: () => finishRestore(remote, { ...place, id, serviceSecrets }),
    async accepted(from) {
      if (journal === undefined) return []
      try {
        return await tellAccepted(remote, from, { ...place, id }).then((lines) =>
          lines.map((line) => `  ${line}`),
        )
      } catch (error) {
        // A failure is only reported; the undoing stays done.
        if (!(error instanceof RelayError)) throw error
        return [`  What ${host.name} had accepted can't be counted: ${error.message}`]
      }
    },
    async undo(goOn) {
      const isDone = journal?.state === 'closed'
      try {
        // Users of the data can stop the undoing only on a server that serves. A restore that died halfway is undone
        // all the same, and they are reported.
        if (isDone) await checkUndo(place, journal, { ...dependencies, acceptChanges: false })
        const result = await rollbackRestore(remote, { ...place, id, secrets, serviceSecrets })
        if (result.outcome === 'stuck') stuck = result.reason
        return result
      } catch (error) {
        // When this is refused, the migration stays as it is on both sides.
        if (!goOn || isDone || !(error instanceof RelayError)) throw error
        stuck = error.message
        return undefined
      }
    },
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  }
}

function closedSide(journal: 'gone' | 'unreachable'): OpenSide {
  const never = (): Promise<never> => Promise.reject(new Error('a side without a connection'))
  return {
    journal,
    journals: [],
    lockedBy: undefined,
    stuck: undefined,
    finish: never,
    accepted: () => Promise.resolve([]),
    undo: never,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
