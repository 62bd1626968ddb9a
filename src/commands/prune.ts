import { loadConfig } from '../config/load.ts'
import { LockedError, RelayError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { Config } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { rotateHost, type RotatedHost, type RotationOutcome } from '../pull/rotate.ts'
import { formatCount } from '../report/format.ts'
import { errorToJson } from '../report/render-error.ts'
import { renderTable } from '../report/table.ts'
import { openLedgerMarks } from '../state/ledger-marks.ts'
import { accessFindings } from '../vault/access.ts'
import type { Vault } from '../vault/contract.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { resolveHost } from '../vault/resolve-snapshot.ts'
import type { CommandContext, CommandOutcome } from './context.ts'

export interface PruneFlags {
  readonly dryRun?: boolean
  readonly accept?: boolean
}

type PrunedHost =
  | { readonly host: string; readonly rotation: RotationOutcome; readonly notice?: string | undefined }
  | { readonly host: string; readonly error: RelayError }

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
  const hosts: PrunedHost[] = []
  if (vault !== undefined) {
    const names = args.length === 0 ? await vault.hosts() : []
    for (const name of new Set(args)) names.push(await resolveHost(vault, name))
    for (const name of names) {
      context.signal.throwIfAborted()
      hosts.push(await pruneHost(vault, rotatedHost(config, name), flags, context.now))
    }
  }
  const dryRun = flags.dryRun === true
  const warnings = await accessFindings(config.vault, process.getuid?.())
  return {
    exitCode: pruneExitCode(hosts, dryRun),
    text: [
      ...warnings.map(
        ({ message, next }) => `warning: ${message}${next === undefined ? '' : `\nNext: ${next}`}\n`,
      ),
      renderPruned(hosts, dryRun, context.color),
    ].join('\n'),
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

/** A host that is no longer configured is pruned by the global policy. */
function rotatedHost(config: Config, name: string): RotatedHost {
  return config.hosts.find((host) => host.name === name) ?? { name, retention: config.retention, sources: [] }
}

async function pruneHost(
  vault: Vault,
  host: RotatedHost,
  flags: PruneFlags,
  now: () => Date,
): Promise<PrunedHost> {
  const started = now()
  if (flags.dryRun === true) {
    return { host: host.name, rotation: await rotateHost(vault, undefined, host, started, { dryRun: true }) }
  }
  try {
    await using lock = await vault.lock(host.name)
    if (flags.accept === true) {
      if ((await vault.rotationPaused(host.name)) !== undefined) {
        await vault.acceptRotation(lock, 'prune --accept', started)
      }
      await vault.acceptLoss(lock, 'prune --accept', started)
    }
    const rotation = await rotateHost(vault, lock, host, started, { dryRun: false })
    const outcome = rotation.paused === undefined ? 'done' : 'failed'
    const notice = await recordPrune(vault, host.name, started, now(), { outcome }).then(
      () => undefined,
      (error: unknown) => {
        if (!(error instanceof RelayError)) throw error
        // The rotation is done. On a full disk it may be missing from the history.
        return `this run is not in the history: ${error.message}`
      },
    )
    return { host: host.name, rotation, notice }
  } catch (error) {
    if (!(error instanceof RelayError)) throw error
    if (!(error instanceof LockedError)) {
      const { code, message } = error
      // The disk that failed the rotation may refuse the history, too. The error to show is that of the rotation.
      await recordPrune(vault, host.name, started, now(), {
        outcome: 'failed',
        error: { code, message },
      }).catch(() => undefined)
    }
    return { host: host.name, error }
  }
}

function recordPrune(
  vault: Vault,
  host: string,
  started: Date,
  finished: Date,
  result: { readonly outcome: 'done' | 'failed'; readonly error?: { code: string; message: string } },
): Promise<void> {
  return vault.recordRun(host, {
    at: started.toISOString(),
    finishedAt: finished.toISOString(),
    operation: 'prune',
    ...result,
  })
}

function pruneExitCode(hosts: readonly PrunedHost[], dryRun: boolean): ExitCode {
  if (hosts.length > 0 && hosts.every((one) => 'error' in one && one.error instanceof LockedError)) {
    return ExitCode.locked
  }
  const good = hosts.filter(
    (one) => 'rotation' in one && (dryRun || one.rotation.paused === undefined),
  ).length
  if (good === hosts.length) return ExitCode.done
  return good === 0 ? ExitCode.failed : ExitCode.partial
}

function renderPruned(hosts: readonly PrunedHost[], dryRun: boolean, color: boolean): string {
  if (hosts.length === 0) return 'The vault is empty: nothing to prune.'
  return hosts
    .map((one) =>
      'error' in one
        ? renderFailure(one.host, one.error)
        : [
            renderRotation(one.host, one.rotation, dryRun, color),
            ...(one.notice === undefined ? [] : [`warning: ${printable(one.notice)}`]),
          ].join('\n'),
    )
    .join('\n\n')
}

function renderFailure(host: string, error: RelayError): string {
  const next = error.details.next === undefined ? '' : `\nNext: ${error.details.next}`
  return `${host}: ${printable(error.message)}${next}`
}

function renderRotation(host: string, rotation: RotationOutcome, dryRun: boolean, color: boolean): string {
  const { decisions, archives, paused, kept, removed, retired } = rotation
  if (decisions.length === 0) return `${host}: no snapshots`
  const rows = [
    ...decisions.map(({ id, action, reasons }) => [`${host}/${id}`, action, reasons.join('; ')]),
    ...archives.map(({ id, source, reasons }) => [`${host}/${id}`, `remove ${source}`, reasons.join('; ')]),
  ].map((row) => row.map(printable))
  const table = renderTable(rows, { head: ['snapshot', 'action', 'why'], color })
  if (paused !== undefined) {
    return `${table}\n\n${host}: nothing was removed: ${printable(paused)}\nNext: ${pausedNext(host, rotation)}`
  }
  const would = dryRun ? 'would stay' : 'stay'
  const counts = [
    `${formatCount(kept, 'snapshot')} ${would}`,
    `${removed.length} ${dryRun ? 'would be removed' : 'removed'}`,
    ...(retired.length === 0 ? [] : [`${retired.length} retired`]),
  ]
  return `${table}\n\n${host}: ${counts.join(', ')}`
}

function pausedNext(host: string, { damaged }: RotationOutcome): string {
  return damaged === true
    ? `See all of it with: relay-backup verify ${host}`
    : `If that is right, run: relay-backup prune ${host} --accept`
}
