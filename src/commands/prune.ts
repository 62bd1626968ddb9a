import { formatCount } from '../model/units.ts'
import { loadConfig } from '../config/load.ts'
import { LockedError, UsageError, type RelayError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { Config } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { pruneHosts, type PrunedHost } from '../prune/prune-hosts.ts'
import type { RotatedHost, RotationOutcome } from '../prune/rotate.ts'
import { errorToJson } from '../report/render-error.ts'
import { createReporter } from '../report/reporter.ts'
import { renderTable } from '../report/table.ts'
import { errorTroubles, findingTroubles, troubleLine } from '../report/trouble-line.ts'
import { openLedgerMarks } from '../state/ledger-marks.ts'
import { accessFindings } from '../vault/access.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { hostsByName, type HostsByName } from './hosts-by-name.ts'

export interface PruneFlags {
  readonly dryRun?: boolean
  readonly accept?: boolean
  readonly acceptLoss?: readonly string[]
}

/** `prune [host…]`: applies retention by hand, to every host of the vault when none is named. */
export async function prune(
  context: CommandContext,
  args: readonly string[],
  flags: PruneFlags,
): Promise<CommandOutcome> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const command = 'relay-backup prune'
  const vault = await openExistingVault(config.vault, {
    now: context.now,
    command,
    marks: openLedgerMarks(context.env),
  })
  const dryRun = flags.dryRun === true
  await using reporter = createReporter(context.progress)
  const named: HostsByName = vault === undefined ? { hosts: [] } : await hostsByName(vault, args)
  const hosts =
    vault === undefined
      ? []
      : await pruneHosts(
          named.hosts.map((name) => rotatedHost(config, name)),
          { dryRun, accept: flags.accept === true, lost: lostOf(args, flags) },
          { vault, reporter, now: context.now },
          context.signal,
        )
  const warnings = [
    ...(named.warning === undefined ? [] : [named.warning]),
    ...(await accessFindings(config.vault, process.getuid?.())),
  ]
  return {
    exitCode: pruneExitCode(hosts),
    text: [
      ...warnings.map(
        ({ message, next }) => `warning: ${message}${next === undefined ? '' : `\nNext: ${next}`}\n`,
      ),
      renderPruned(hosts, dryRun, context),
    ].join('\n'),
    quiet: [...findingTroubles(warnings), ...hosts.flatMap(prunedTroubles)].join('\n'),
    json: {
      dryRun,
      warnings,
      hosts: hosts.map((one) =>
        'error' in one
          ? { host: one.host, ...(errorToJson(one.error) as object) }
          : { host: one.host, ...one.rotation, notice: one.notice },
      ),
    },
  }
}

/** The ids of `--accept-loss`, with or without the host before them. */
function lostOf([host, ...others]: readonly string[], { acceptLoss = [], dryRun }: PruneFlags): string[] {
  if (acceptLoss.length === 0) return []
  if (dryRun === true) {
    throw new UsageError('--accept-loss writes to the ledger, and --dry-run writes nothing', {
      next: 'Give one of them',
    })
  }
  if (host === undefined || others.length > 0) {
    throw new UsageError('--accept-loss is about snapshots of one host', {
      next: 'Name it: relay-backup prune HOST --accept-loss ID',
    })
  }
  return acceptLoss.map((name) => (name.startsWith(`${host}/`) ? name.slice(host.length + 1) : name))
}

/** A host that is no longer configured is pruned by the global policy. */
function rotatedHost(config: Config, name: string): RotatedHost {
  return (
    config.hosts.find((host) => host.name === name) ?? {
      name,
      retention: config.retention,
      sources: [],
      lives: config.schedules.flatMap(({ name: schedule, keep }) =>
        keep === undefined ? [] : [{ name: schedule, keep }],
      ),
    }
  )
}

function pruneExitCode(hosts: readonly PrunedHost[]): ExitCode {
  if (hosts.length > 0 && hosts.every((one) => 'error' in one && one.error instanceof LockedError)) {
    return ExitCode.locked
  }
  const good = hosts.filter((one) => 'rotation' in one && one.rotation.paused === undefined).length
  if (good === hosts.length) return ExitCode.done
  return good === 0 ? ExitCode.failed : ExitCode.partial
}

function renderPruned(
  hosts: readonly PrunedHost[],
  dryRun: boolean,
  { color, columns }: Pick<CommandContext, 'color' | 'columns'>,
): string {
  if (hosts.length === 0) return 'The vault is empty: nothing to prune.'
  return hosts
    .map((one) =>
      'error' in one
        ? renderFailure(one.host, one.error)
        : [
            renderRotation(one.host, one.rotation, dryRun, { color, columns }),
            ...(one.notice === undefined ? [] : [`warning: ${printable(one.notice)}`]),
          ].join('\n'),
    )
    .join('\n\n')
}

function prunedTroubles(one: PrunedHost): string[] {
  if ('error' in one) return errorTroubles(one.error.withDetails({ host: one.host }), 'failed')
  const { host, rotation, notice } = one
  const { paused } = rotation
  return [
    ...(paused === undefined
      ? []
      : [
          troubleLine({
            label: 'failed',
            where: host,
            message: `nothing was removed: ${paused}`,
            next: rotation.next,
          }),
        ]),
    ...(notice === undefined ? [] : [troubleLine({ label: 'warning', where: host, message: notice })]),
  ]
}

function renderFailure(host: string, error: RelayError): string {
  const next = error.details.next === undefined ? '' : `\nNext: ${error.details.next}`
  return `${host}: ${printable(error.message)}${next}`
}

function renderRotation(
  host: string,
  rotation: RotationOutcome,
  dryRun: boolean,
  style: Pick<CommandContext, 'color' | 'columns'>,
): string {
  const { decisions, archives, paused, next, kept, keptBy, removed, retired, reinstated, needed } = rotation
  if (decisions.length === 0) return `${host}: no snapshots`
  const rows = [
    ...decisions.map(({ id, action, reasons }) => [`${host}/${id}`, action, reasons.join('; ')]),
    ...archives.map(({ id, source, reasons }) => [`${host}/${id}`, `remove ${source}`, reasons.join('; ')]),
  ].map((row) => row.map(printable))
  const table = renderTable(rows, { head: ['snapshot', 'action', 'why'], ...style })
  if (paused !== undefined) {
    return `${table}\n\n${host}: nothing was removed: ${printable(paused)}\nNext: ${next}`
  }
  const why = keptBy.map(({ count, why: reason }) => `${count} ${reason}`).join(', ')
  const would = dryRun ? 'would be ' : ''
  const counts = [
    `${formatCount(kept, 'snapshot')} ${dryRun ? 'would stay' : 'stay'}${why === '' ? '' : ` (${why})`}`,
    ...(reinstated.length === 0 ? [] : [`${reinstated.length} ${would}brought back`]),
    `${removed.length} ${would}removed`,
    ...(retired.length === 0 ? [] : [`${retired.length} ${would}retired`]),
  ]
  const onDisk =
    needed === 0
      ? ''
      : `\n${formatCount(needed, 'snapshot')} on disk only because newer ones build on ${needed === 1 ? 'it' : 'them'}; see: relay-backup list ${host} --all`
  return `${table}\n\n${host}: ${counts.join(', ')}${onDisk}`
}
