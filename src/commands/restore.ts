import { loadConfig } from '../config/load.ts'
import { InterruptedError, UsageError } from '../errors.ts'
import { ExitCode, exitCodeOf as exitCodeOfError } from '../exit-codes.ts'
import { snapshotTime } from '../model/names.ts'
import type { RestorePlan, RestoreReport, RestoreStrategy } from '../model/restore-report.ts'
import { printable } from '../model/path-bytes.ts'
import { formatDuration, formatSize } from '../model/units.ts'
import { formatAge } from '../report/format.ts'
import { renderRestorePlan, renderRestoreReport, restoreReportToJson } from '../report/restore-summary.ts'
import { errorTroubles, findingTroubles } from '../report/trouble-line.ts'
import { restoreHost } from '../restore/restore-host.ts'
import { isBeside } from '../restore/beside.ts'
import { parseMatchKey, parsePathSelection } from '../restore/wanted.ts'
import { completePulls, type Snapshot, type Vault } from '../vault/contract.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { resolveHost, resolveSnapshot } from '../vault/resolve-snapshot.ts'
import { chooseHosts } from './choose-hosts.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { ask } from './question.ts'
import { tell } from './tell.ts'
import { wireRestore } from './wire-restore.ts'

/** The flags of `restore` as commander hands them over. */
export interface RestoreFlags {
  readonly host: string
  readonly deployment?: string
  readonly from?: string
  readonly source?: readonly string[]
  readonly path?: readonly string[]
  readonly strategy: RestoreStrategy
  readonly target?: string
  readonly match?: readonly string[]
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly start: boolean
  readonly safety: boolean
  readonly acceptChanges?: boolean
}

/** `restore [SNAPSHOT] --host HOST`: puts a snapshot back. */
export async function restore(
  context: CommandContext,
  args: readonly string[],
  flags: RestoreFlags,
): Promise<CommandOutcome> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const [host] = await chooseHosts(context, config, { names: [flags.host], deployment: flags.deployment })
  if (host === undefined) throw new UsageError('--host names no host')
  if (flags.strategy === 'merge' && isBeside({ host, target: flags.target })) {
    throw new UsageError('--target puts data beside what is live, and there is nothing to merge it with', {
      next: 'Leave out --strategy merge, or name a source of the host.',
    })
  }
  const match = (flags.match ?? []).map(parseMatchKey)
  if (match.length > 0 && flags.strategy !== 'merge')
    throw new UsageError('--match says by what a merge knows rows', { next: 'Add --strategy merge.' })
  if (flags.target !== undefined && flags.source?.length !== 1) {
    throw new UsageError('--target needs the one source that goes there', { next: 'Add --source NAME.' })
  }
  if (!context.interactive && flags.yes !== true && flags.dryRun !== true) {
    throw new UsageError('Nobody can be asked to confirm the restore', {
      host: host.name,
      next: 'Look at the plan with --dry-run, then add --yes.',
    })
  }
  const paths = (flags.path ?? []).map(parsePathSelection)
  const vault = await openExistingVault(config.vault)
  if (vault === undefined) {
    throw new UsageError('There is no vault yet', { next: 'Make a first snapshot with: relay-backup pull' })
  }
  const snapshot = await chooseSnapshot(context, vault, args[0], flags)
  const confirm = (plan: RestorePlan) => confirmPlan(context, plan, flags.yes === true)
  await using wired = await wireRestore(context, config, confirm)
  const report = await restoreHost(
    {
      host,
      snapshot,
      sources: flags.source,
      paths,
      strategy: flags.strategy,
      target: flags.target,
      match,
      dryRun: flags.dryRun === true,
      start: flags.start,
      safety: flags.safety,
      acceptChanges: flags.acceptChanges === true,
    },
    wired.dependencies,
    context.signal,
  )
  return {
    exitCode: exitCodeOf(report),
    text: renderRestoreReport(report, { color: context.color }),
    quiet: [
      ...findingTroubles(report.findings, report.plan.host),
      ...(report.error === undefined ? [] : errorTroubles(report.error, 'failed')),
    ].join('\n'),
    json: restoreReportToJson(report),
  }
}

/**
 * A restore that was rolled back did nothing that was asked for. A plan ends with the code that the planned restore
 * would end with.
 */
function exitCodeOf({ outcome, error }: RestoreReport): ExitCode {
  if (outcome === 'done') return ExitCode.done
  if (outcome === 'planned') return error === undefined ? ExitCode.done : exitCodeOfError(error)
  return error instanceof InterruptedError ? ExitCode.interrupted : ExitCode.failed
}

async function chooseSnapshot(
  context: CommandContext,
  vault: Vault,
  named: string | undefined,
  flags: RestoreFlags,
): Promise<Snapshot> {
  if (named !== undefined)
    return unlessOfTheFuture(context, await resolveSnapshot(vault, named), named, flags)
  const from = await resolveHost(vault, flags.from ?? flags.host)
  const latest = `${from}/latest`
  const snapshots = inOrderOfChoice(await vault.snapshots(from))
  if (!context.interactive || flags.yes === true || snapshots.length === 0) {
    return unlessOfTheFuture(context, await resolveSnapshot(vault, latest), latest, flags)
  }
  const { select } = await import('@inquirer/prompts')
  return ask(() =>
    select(
      {
        message: `Which snapshot of ${from}?`,
        choices: snapshots.map((snapshot) => ({
          value: snapshot,
          name: describe(snapshot, context.now()),
          short: snapshot.id,
        })),
        pageSize: 15,
      },
      { signal: context.signal, output: process.stderr },
    ),
  )
}

/** The newest complete one first, then the others, the newest first. */
export function inOrderOfChoice(snapshots: readonly Snapshot[]): Snapshot[] {
  const latest = completePulls(snapshots).at(-1)
  const others = snapshots.filter((snapshot) => snapshot !== latest).toReversed()
  return latest === undefined ? others : [latest, ...others]
}

/**
 * Whoever names a snapshot by its id knows its date. A snapshot that was chosen by `latest` is asked about when it is
 * dated ahead of the clock.
 */
async function unlessOfTheFuture(
  context: CommandContext,
  snapshot: Snapshot,
  named: string,
  flags: RestoreFlags,
): Promise<Snapshot> {
  const { host, id } = snapshot
  const ahead = snapshotTime(id).getTime() - context.now().getTime()
  if (ahead <= 0 || named.endsWith(id) || flags.dryRun === true) return snapshot
  const message = `${host}/${id} was made last, and is dated ${formatDuration(ahead)} ahead of this computer's clock`
  if (context.interactive && flags.yes !== true) {
    const { confirm } = await import('@inquirer/prompts')
    const goesOn = await ask(() =>
      confirm(
        { message: `${printable(message)}. Restore it?`, default: false },
        { signal: context.signal, output: process.stderr },
      ),
    )
    if (goesOn) return snapshot
  }
  throw new UsageError(message, {
    next: `Set the clock right if it is wrong. If this snapshot is meant, name it by its id: relay-backup restore ${host}/${id} --host ${flags.host}`,
  })
}

function describe({ id, manifest }: Snapshot, now: Date): string {
  const bytes = manifest.sources
    .flatMap((source) => source.archives)
    .reduce((sum, archive) => sum + archive.bytes, 0)
  const names = manifest.sources.map((source) => source.name).join(' ')
  const kind =
    manifest.purpose === 'pull' ? (manifest.complete ? '' : ', not complete') : `, ${manifest.purpose}`
  return `${id}  ${formatAge(now.getTime() - snapshotTime(id).getTime())}  ${formatSize(bytes)}  ${names}${kind}`
}

/** At a terminal the host's name has to be typed: a reflex must not replace a server's data. */
async function confirmPlan(context: CommandContext, plan: RestorePlan, yes: boolean): Promise<boolean> {
  tell(context, renderRestorePlan(plan, { color: context.color }))
  if (yes) return true
  const { input } = await import('@inquirer/prompts')
  const typed = await ask(() =>
    input(
      {
        message: `To ${plan.beside === undefined ? 'replace this data' : 'go on'}, type the host's name (${plan.host}):`,
      },
      { signal: context.signal, output: process.stderr },
    ),
  )
  return typed.trim() === plan.host
}
