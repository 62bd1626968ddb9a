import { InterruptedError, RelayError } from '../errors.ts'
import { settleMigration, type SettleDependencies } from '../migrate/settle.ts'
import type { HostConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import type { RollbackReport } from '../model/rollback-report.ts'
import { formatCount, formatSize } from '../model/units.ts'
import type { PullDependencies } from '../pull/dependencies.ts'
import { resumeLeftServices } from '../pull/quiesce.ts'
import type { Reporter } from '../report/contract.ts'
import { formatAge } from '../report/format.ts'
import { describeLate } from '../report/rollback-summary.ts'
import { checkUndo } from '../restore/before-undo.ts'
import { chooseJournal, isCutover, lastCutover } from '../restore/choose-journal.ts'
import { secretsOfJournal } from '../restore/command-services.ts'
import { loaderSecrets } from '../restore/loader-secrets.ts'
import { mergeJournal } from '../restore/merge.ts'
import {
  discardRestores,
  findLateWrites,
  listJournals,
  sweepStaging,
  type RestoreJournal,
} from '../restore/server/journals.ts'
import type { LoaderSecret, MigrationRole } from '../restore/server/driver.ts'
import { rollbackRestore } from '../restore/server/settle.ts'
import { withRun, type Ended } from '../runs/run.ts'
import { tellHosts, type HostEnd } from '../runs/tell-hosts.ts'
import { visit, type Visit } from '../runs/visit.ts'
import { restoreContext } from '../restore/preflight.ts'
import { kindOf } from '../sources/registry.ts'
import type { Vault } from '../vault/contract.ts'

/** What is undone, or removed for good. */
export interface RollbackRequest {
  readonly host: HostConfig
  /** The host of this name on the other side of a migration; undefined: nothing says any more where it is. */
  readonly findHost: (name: string) => Promise<HostConfig | undefined>
  /** Default: the last one. */
  readonly restore?: string | undefined
  /** Nothing is undone: what restores have set aside goes. */
  readonly discard: boolean
  readonly acceptChanges: boolean
  /** Nobody looks at what is confirmed. */
  readonly unseen: boolean
}

export interface RollbackDependencies
  extends Omit<SettleDependencies, 'confirm'>, Pick<PullDependencies, 'lockDeployment' | 'resolveSecret'> {
  /** Undefined where there is none: a rollback needs none, and is in no history then. */
  readonly vault: Vault | undefined
  readonly reporter: Reporter
  readonly now: () => Date
  /** Asks whether to do this, a sentence without its stop. Resolves with whether to go on. */
  readonly confirm: (what: string) => Promise<boolean>
}

/** One host's rollback, on its way. */
interface Rollback {
  readonly request: RollbackRequest
  readonly place: Visit
  readonly journals: readonly RestoreJournal[]
  readonly dependencies: RollbackDependencies
}

/**
 * Settles the last restore of a host from its journal there, or removes what restores have set aside; it needs nothing
 * of whoever restored. Throws RelayError where that is refused, not confirmed, or can't go on.
 */
export async function rollbackHost(
  request: RollbackRequest,
  dependencies: RollbackDependencies,
  signal: AbortSignal,
): Promise<RollbackReport> {
  const { host } = request
  // The server's own lock keeps it and a restore apart.
  const told = { reporter: dependencies.reporter, ends: true }
  const tellEnd = (result: RollbackReport): HostEnd => endOf(result).outcome
  return await tellHosts([host.name], told, tellEnd, () =>
    withRun({ operation: 'rollback', host, locks: false }, dependencies, signal, async (run) => {
      const looksFor = { shellFor: 'rollback', settles: true }
      await using place = await visit(host, looksFor, dependencies, run.signal)
      const result = await settle(request, place, { ...dependencies, reporter: run.reporter })
      return { result, end: endOf(result) }
    }),
  )
}

async function settle(
  request: RollbackRequest,
  place: Visit,
  dependencies: RollbackDependencies,
): Promise<RollbackReport> {
  const { deployment } = place
  if (place.probe.deployment === undefined)
    return { host: request.host.name, did: 'nothing-there', deployment }
  const { journals } = await listJournals(place.remote, place)
  const rollback = { request, place, journals, dependencies }
  return request.discard ? await discard(rollback) : await undo(rollback)
}

/** As the history has it. */
function endOf(report: RollbackReport): Ended {
  switch (report.did) {
    case 'nothing-there':
      return { outcome: 'done' }
    case 'no-restore':
    case 'undo': {
      const findings = [...report.held, ...(report.did === 'undo' ? report.accepted : [])]
      const outcome = report.held.some((finding) => finding.outcome === 'failed') ? 'partial' : 'done'
      return { outcome, findings, undoes: report.did === 'undo' ? report.restore : undefined }
    }
    case 'settle':
      return { outcome: 'done', undoes: report.outcome === 'undone' ? report.migration : undefined }
    case 'discard': {
      const isWhole = report.left.length === 0 && report.late.every(({ kept }) => !kept)
      return { outcome: isWhole ? 'done' : report.restores.length === 0 ? 'failed' : 'partial' }
    }
  }
}

async function confirm({ request, dependencies }: Rollback, what: string): Promise<void> {
  if (await dependencies.confirm(what)) return
  throw new InterruptedError('Not confirmed; nothing was changed', { host: request.host.name })
}

async function undo(rollback: Rollback): Promise<RollbackReport> {
  const { request, place, journals, dependencies } = rollback
  const { host } = request
  const { journal, undone } = chooseJournal(host.name, journals, request.restore)
  if (journal !== undefined && undone !== undefined && request.unseen)
    throw await refuseOlder(rollback, journal, undone)
  if (journal?.migration !== undefined && isCutover(journal))
    return await settleBoth(rollback, journal.id, journal.migration)
  const held = await resumeLeft(rollback)
  if (journal === undefined) {
    // A restore that ended before it had a journal leaves behind what it has unpacked.
    await sweepStaging(place.remote, place)
    return { host: host.name, did: 'no-restore', journals, held }
  }
  const last = undone === undefined ? '' : ` – the last one, ${undone.id}, is undone already`
  const secrets = await loaderSecrets(host, [journal], dependencies.resolveSecret, place.signal)
  const serviceSecrets = await secretsOfJournal(host, journal, dependencies.resolveSecret, place.signal)
  const accepted = await checkUndo(place, journal, { ...dependencies, acceptChanges: request.acceptChanges })
  await confirm(rollback, `Undo ${describe(rollback, journal)}${last}`)
  const unmerged = await unmergeSources(rollback, journal.id)
  const result = await rollbackRestore(place.remote, { ...place, id: journal.id, secrets, serviceSecrets })
  if (result.outcome === 'stuck') {
    throw new RelayError(
      'rollback-stuck',
      `restore ${journal.id} can't be undone further: ${printable(result.reason)}`,
      {
        host: host.name,
        next: 'Correct that on the server, then run this again; it goes on where it stopped.',
      },
    )
  }
  await sweepStaging(place.remote, place)
  return { host: host.name, did: 'undo', restore: journal.id, ...result, held, accepted, unmerged }
}

/**
 * With `--yes` nobody sees which restore is undone. The last one may be meant, so an older one is not undone in its
 * place.
 */
async function refuseOlder(
  rollback: Rollback,
  older: RestoreJournal,
  undone: RestoreJournal,
): Promise<RelayError> {
  const { host } = rollback.request
  const held = await resumeLeft(rollback)
  const message = [`The last restore, ${undone.id}, is undone already (${describeState(undone)})`]
  return new RelayError('already-undone', [...message, ...held.map((one) => one.message)].join('; '), {
    host: host.name,
    next: `There is an older ${describe(rollback, older)}. If that is to be undone: relay-backup rollback --host ${host.name} --restore ${older.id}`,
  })
}

/** A pull that was cut off may have left services stopped or paused, too. */
async function resumeLeft({ place, dependencies }: Rollback): Promise<readonly Finding[]> {
  const { host, remote, probe, deployment, signal } = place
  if (probe.deployment === undefined || probe.quiesced.length === 0) return []
  await using _lock = await dependencies.lockDeployment(remote, deployment, { sudo: host.sudo, signal })
  return await resumeLeftServices(place)
}

/** Either side of a migration settles both: one of the two servers serves, and only one. The other has its own line. */
async function settleBoth(rollback: Rollback, id: string, migration: MigrationRole): Promise<RollbackReport> {
  const { request, place, journals, dependencies } = rollback
  const { host, findHost } = request
  const config = await findHost(migration.host)
  const own = { name: host.name, config: host }
  const other = { name: migration.host, config }
  const [from, to] = migration.role === 'from' ? [own, other] : [other, own]
  const settling = { ...dependencies, confirm: (what: string) => confirm(rollback, what) }
  const work = async (): Promise<RollbackReport> => {
    const settled = await settleMigration({ id, from, to }, settling, place.signal)
    // Where this one is undone already, an earlier one decides by now.
    const before = settled.outcome === 'nothing' ? lastCutover(journals)?.id : undefined
    return {
      host: host.name,
      did: 'settle',
      migration: id,
      from: from.name,
      to: to.name,
      ...settled,
      before: before === id ? undefined : before,
    }
  }
  if (config === undefined) return await work()
  const ofOther = { operation: 'rollback', host: { name: config.name }, locks: false } as const
  return await withRun(ofOther, dependencies, place.signal, async () => {
    const result = await work()
    return { result, end: endOf(result) }
  })
}

/** Takes away what a merge added to running services, where nobody has changed it since. */
async function unmergeSources(
  { request: { host }, place, dependencies }: Rollback,
  id: string,
): Promise<{ source: string; removed: number; changed: number }[]> {
  const { deployment } = place
  const context = restoreContext(place, { pull: dependencies }, () => undefined)
  const unmerged = []
  for (const config of host.sources) {
    const merging = await kindOf(config.kind).merge?.()
    if (merging === undefined) continue
    const journal = mergeJournal(deployment, id, config.name)
    const { removed, changed } = await merging.unmerge(context, config, journal)
    if (removed + changed > 0) unmerged.push({ source: config.name, removed, changed })
  }
  return unmerged
}

async function discard(rollback: Rollback): Promise<RollbackReport> {
  const { request, place, journals } = rollback
  const { host, restore, unseen } = request
  const closed = journals.filter((journal) => journal.state === 'closed')
  const chosen = restore === undefined ? closed : closed.filter((journal) => journal.id === restore)
  const nothing = {
    host: host.name,
    did: 'discard',
    bytes: 0,
    restores: [],
    removed: [],
    left: [],
    late: [],
  } as const
  if (chosen.every((journal) => journal.kept.length === 0)) return nothing
  const found = await findLateWrites(place.remote, { ...place, ids: chosen.map((journal) => journal.id) })
  // With `--yes` nobody has looked at it, so it takes the id of the restore.
  const spares = unseen && restore === undefined
  const late = found.map((one) => ({ ...one, kept: spares }))
  const free = chosen.filter(({ id }) => !late.some((one) => one.kept && one.id === id))
  const { removed, secrets, locked } = await withSecrets(rollback, free)
  const bytes = removed.flatMap((journal) => journal.kept).reduce((sum, one) => sum + one.bytes, 0)
  const warning = late.length === 0 || spares ? '' : ` – ${late.map(describeLate).join('; ')}`
  const stays = locked.length === 0 ? '' : `; ${locked.join('; ')}`
  await confirm(
    rollback,
    `Remove what ${formatCount(removed.length, 'restore has', 'restores have')} set aside, ${formatSize(bytes)}, for good${warning}${stays}`,
  )
  const restores = removed.map((journal) => journal.id)
  const removal =
    restores.length === 0
      ? { removed: [], left: [] }
      : await discardRestores(place.remote, { ...place, ids: restores, secrets })
  return { ...nothing, bytes, restores, ...removal, left: [...locked, ...removal.left], late }
}

/** Those of which every secret is known; why the others stay. Throws when none is left of some. */
async function withSecrets(
  { request: { host }, place, dependencies }: Rollback,
  journals: readonly RestoreJournal[],
): Promise<{
  readonly removed: readonly RestoreJournal[]
  readonly secrets: readonly LoaderSecret[]
  readonly locked: readonly string[]
}> {
  const removed: RestoreJournal[] = []
  const secrets: LoaderSecret[] = []
  const refusals: RelayError[] = []
  for (const journal of journals) {
    try {
      secrets.push(...(await loaderSecrets(host, [journal], dependencies.resolveSecret, place.signal)))
      removed.push(journal)
    } catch (error) {
      if (place.signal.aborted || !(error instanceof RelayError)) throw error
      refusals.push(error)
    }
  }
  const [first] = refusals
  if (removed.length === 0 && first !== undefined) throw first
  const locked = refusals.map(({ message, details }) =>
    details.next === undefined ? message : `${message}. Next: ${details.next}`,
  )
  return { removed, secrets, locked }
}

function describe({ dependencies }: Rollback, journal: RestoreJournal): string {
  const age = formatAge(dependencies.now().getTime() - journal.begunAt.getTime())
  return `restore ${journal.id} of ${age} (${describeState(journal)}): ${journal.targets.map(printable).join(', ')}`
}

function describeState(journal: RestoreJournal): string {
  return journal.state === 'closed' ? (journal.how ?? 'closed') : `left at: ${journal.state}`
}
