import { LockedError } from '../../errors.ts'
import type { RemoteHost } from '../../remote/contract.ts'
import type { WorkPlace } from '../../runs/visit.ts'
import { secretLines, type LoaderSecret, type MigrationRole } from './driver.ts'
import { scriptFailure } from './failure.ts'
import { decodeField, fieldLines } from '../../model/talk.ts'
import { parseServiceLines, type ServerServices } from '../../model/server-services.ts'

/** How far a restore has come. `begun`: nothing was stopped; `swapped` and what follows it: the new is in place. */
export type JournalState =
  | 'begun'
  | 'stopping'
  | 'writers-stopped'
  | 'stopped'
  | 'swapping'
  | 'swapped'
  | 'switching'
  | 'switched'
  | 'starting-data'
  | 'started-data'
  | 'starting-rest'
  | 'started-rest'
  | 'kept'
  | 'reopened'
  | 'undoing'
  | 'closed'

/** A restore that left a journal on the server. */
export interface RestoreJournal {
  readonly id: string
  readonly begunAt: Date
  readonly state: JournalState
  /** Only when it is closed. */
  readonly how: 'done' | 'rolled-back' | 'abandoned' | undefined
  /** Why undoing could not go on. */
  readonly stuck: string | undefined
  /** Set for a side of a migration. The other side has a journal of the same id. */
  readonly migration: MigrationRole | undefined
  readonly targets: readonly string[]
  /** What is put in place of what: the old lies at `aside` while the new is at `target`. */
  readonly units?: readonly { readonly target: string; readonly aside: string }[] | undefined
  /** The sources whose secrets it takes to undo it, and to remove what it has set aside in a server that runs. */
  readonly secretsOf: readonly string[]
  /** The variables that its services read secrets from. */
  readonly serviceSecrets: readonly string[]
  /** What its script stops and starts. */
  readonly manages?: ServerServices | undefined
  /** The services that ran before. */
  readonly services: readonly string[]
  /** What happened, in order. */
  readonly notes: readonly string[]
  /** What it had set aside was removed for good, so it can't be undone any more. */
  readonly discarded: boolean
  /** What it set aside, as far as that is still there. */
  readonly kept: readonly {
    readonly what: 'rollback' | 'failed'
    readonly path: string
    readonly bytes: number
  }[]
}

export interface JournalList {
  /** The process of a restore that runs now. */
  readonly lockedBy: number | undefined
  /** The oldest first. */
  readonly journals: readonly RestoreJournal[]
}

/** The journals that restores have left in a deployment. Throws RemoteError. */
export async function listJournals(host: RemoteHost, options: WorkPlace): Promise<JournalList> {
  const result = await host.run(
    {
      script: 'restore/journals',
      patience: 'work',
      args: [options.deployment, 'status'],
      privilege: options.privilege,
      title: 'reading journals',
    },
    { signal: options.signal },
  )
  if (result.status !== 0) throw scriptFailure(host, 'reading the journals of restores', result)
  return parseJournals(result.stdout)
}

/** Reads what `restore/journals` prints. */
export function parseJournals(stdout: Buffer): JournalList {
  const lines = fieldLines(stdout)
  const lock = lines.find(([verb]) => verb === 'lock')?.[1]
  const journals = lines
    .filter(([verb]) => verb === 'journal')
    .map(([, id = '', seconds, state, how]): RestoreJournal => {
      const of = (verb: string): string[] =>
        lines.flatMap((line) => (line[0] === verb && line[1] === id ? [line.slice(2).join(' ')] : []))
      return {
        id,
        begunAt: new Date(Number(seconds) * 1000),
        state: state as JournalState,
        how: how === '-' ? undefined : (how as RestoreJournal['how']),
        migration: migrationOf(lines.find((line) => line[0] === 'migration' && line[1] === id)),
        stuck: state === 'closed' ? undefined : of('stuck').at(-1),
        targets: lines.flatMap((line) =>
          line[1] === id && (line[0] === 'unit' || line[0] === 'load')
            ? [decodeField(line[line[0] === 'unit' ? 4 : 3] ?? '').toString('utf8')]
            : [],
        ),
        units: lines.flatMap((line) =>
          line[0] === 'unit' && line[1] === id
            ? [
                {
                  target: decodeField(line[4] ?? '').toString('utf8'),
                  aside: decodeField(line[6] ?? '').toString('utf8'),
                },
              ]
            : [],
        ),
        secretsOf: [
          ...new Set(
            lines.flatMap((line) =>
              line[0] === 'load' && line[1] === id && line[7] !== '-'
                ? [decodeField(line[7] ?? '').toString('utf8')]
                : [],
            ),
          ),
        ],
        serviceSecrets: of('service-secret'),
        manages: parseServiceLines(
          lines.flatMap((line) =>
            (line[0] === 'services' || line[0] === 'service') && line[1] === id
              ? [[line[0], ...line.slice(2)]]
              : [],
          ),
        ),
        services: [...new Set(of('running'))],
        notes: of('note'),
        discarded: lines.some((line) => line[0] === 'discarded' && line[1] === id),
        kept: lines.flatMap((line) =>
          line[0] === 'kept' && line[1] === id
            ? [
                {
                  what: line[2] === 'rollback' ? ('rollback' as const) : ('failed' as const),
                  bytes: Number(line[3]) * 1024,
                  path: decodeField(line[4] ?? '').toString('utf8'),
                },
              ]
            : [],
        ),
      }
    })
    .sort((left, right) => left.begunAt.getTime() - right.begunAt.getTime())
  return { lockedBy: lock === undefined || lock === '-' ? undefined : Number(lock), journals }
}

function migrationOf(line: readonly string[] | undefined): MigrationRole | undefined {
  const [, , role, host] = line ?? []
  if (role === undefined || host === undefined) return undefined
  return { role: role as MigrationRole['role'], host: decodeField(host).toString('utf8') }
}

/** What was written to a place after a restore, and is nowhere else. */
export interface LateWrites {
  readonly id: string
  readonly files: number
  /** Where they lie now. */
  readonly path: string
  /** The first of them, for people. */
  readonly names: string
}

/**
 * Looks for files that were written to what a restore has put in place, or to what it has set aside, since then: those
 * of these restores, or of all. Throws RemoteError.
 */
export async function findLateWrites(
  host: RemoteHost,
  options: WorkPlace & { readonly ids: readonly string[] },
): Promise<readonly LateWrites[]> {
  const title = 'looking for what was written since'
  const args = [options.deployment, 'late', ...options.ids]
  const { privilege, signal } = options
  const result = await host.run(
    { script: 'restore/journals', patience: 'work', args, privilege, title },
    { signal },
  )
  if (result.status !== 0) throw scriptFailure(host, title, result)
  return fieldLines(result.stdout).flatMap(([verb, id = '', files, path = '', names = '']) =>
    verb === 'late' ? [{ id, files: Number(files), path: decodeField(path).toString('utf8'), names }] : [],
  )
}

export interface Removal {
  readonly removed: readonly string[]
  /** Why something stayed. */
  readonly left: readonly string[]
}

/**
 * Removes for good what closed restores have set aside: these, or all. The journal of a migration stays as long as no
 * later one follows it: it alone says which server serves. Throws LockedError while one runs.
 */
export async function discardRestores(
  host: RemoteHost,
  options: WorkPlace & {
    readonly ids?: readonly string[]
    /** Of the sources that {@link RestoreJournal.secretsOf} names. */
    readonly secrets?: readonly LoaderSecret[]
  },
): Promise<Removal> {
  const stdin = secretLines(options.secrets ?? []).map((line) => `${line}\n`)
  return remove(host, options, ['discard', ...(options.ids ?? [])], Buffer.from(stdin.join('')))
}

/**
 * Removes what was unpacked for restores that have no open journal; `homes` are other `.relay-backup` directories
 * than the deployment's. Data that was set aside stays. Throws LockedError while a restore runs.
 */
export async function sweepStaging(
  host: RemoteHost,
  options: WorkPlace & { readonly homes?: readonly string[] },
): Promise<Removal> {
  return remove(host, options, ['sweep', ...(options.homes ?? [])])
}

async function remove(
  host: RemoteHost,
  options: WorkPlace,
  args: readonly string[],
  stdin = Buffer.alloc(0),
): Promise<Removal> {
  const result = await host.run(
    {
      script: 'restore/journals',
      patience: 'work',
      args: [options.deployment, ...args],
      privilege: options.privilege,
      title: 'removing what restores left',
    },
    { stdin, signal: options.signal },
  )
  const lines = fieldLines(result.stdout)
  const left = lines.flatMap(([verb, reason]) => (verb === 'left' ? [reason ?? ''] : []))
  if (result.status === 5) {
    throw new LockedError(`A restore runs on ${host.name}`, { host: host.name, next: 'Wait for it to end' })
  }
  if (result.status !== 0) throw scriptFailure(host, 'removing what restores left', result)
  return {
    removed: lines.flatMap(([verb, path]) =>
      verb === 'removed' ? [decodeField(path ?? '').toString('utf8')] : [],
    ),
    left,
  }
}
