import { DamageError, UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import { printable } from '../model/path-bytes.ts'
import { formatCount, formatSize } from '../model/units.ts'
import { errorToJson, renderError } from '../report/render-error.ts'
import { createReporter } from '../report/reporter.ts'
import { errorTroubles, troubleLine } from '../report/trouble-line.ts'
import { openLedgerMarks } from '../state/ledger-marks.ts'
import { accessFindings } from '../vault/access.ts'
import type { Vault } from '../vault/contract.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { isSnapshotReference, onlyHost, resolveHost, resolveSnapshot } from '../vault/resolve-snapshot.ts'
import { verifyVault, type VerifyReport, type VerifyTarget } from '../verify/verify-vault.ts'
import { configOf, type CommandContext, type CommandOutcome } from './context.ts'
import { withAlerts } from './with-alerts.ts'

/** `verify [SNAPSHOT… | host…] [--all]`: checksums and ledger. Exit 4 when anything is wrong. */
export async function verify(
  context: CommandContext,
  args: readonly string[],
  options: { readonly all?: boolean },
): Promise<CommandOutcome> {
  if (options.all === true && args.length > 0) {
    throw new UsageError('--all and names exclude each other', { next: 'Use one of them.' })
  }
  const config = await configOf(context)
  const marks = openLedgerMarks(context.env)
  const vault = await openExistingVault(config.vault, { marks }).catch((error: unknown) => {
    if (error instanceof DamageError) return error
    throw error
  })
  if (vault instanceof DamageError) {
    return {
      exitCode: ExitCode.damage,
      text: renderError(vault, context),
      quiet: errorTroubles(vault).join('\n'),
      json: { ok: false, hosts: [], ...errorToJson(vault) },
    }
  }
  if (vault === undefined) {
    throw new UsageError('There is no vault yet', { next: 'Make a first snapshot with: relay-backup pull' })
  }
  const targets = options.all === true ? await everyHost(vault) : await targetsOf(vault, args)
  const watched = { config, hosts: targets.map(({ host }) => host), good: () => [] }
  return await withAlerts(context, watched, async () => {
    await using reporter = createReporter(context.progress)
    for (const { check: code, message, next } of await accessFindings(config.vault, process.getuid?.())) {
      reporter.event({ type: 'warning', code, message, next })
    }
    const report = await verifyVault(vault, targets, {
      reporter,
      now: context.now,
      cause: context.cause,
      signal: context.signal,
    })
    return {
      exitCode: report.ok ? ExitCode.done : ExitCode.damage,
      text: renderVerifyReport(report),
      quiet: report.hosts
        .flatMap(({ host, problems }) =>
          problems.map(({ snapshot, file, message, next }) => {
            const where = [host, snapshot, file].filter((part) => part !== undefined).join('/')
            return troubleLine({ label: 'failed', where, message, next })
          }),
        )
        .join('\n'),
      json: report,
    }
  })
}

async function everyHost(vault: Vault): Promise<VerifyTarget[]> {
  return (await vault.hosts()).map((host) => ({ host }))
}

/** A host means all its snapshots; several snapshots of a host are verified together. */
async function targetsOf(vault: Vault, args: readonly string[]): Promise<VerifyTarget[]> {
  if (args.length === 0) return [{ host: await onlyHost(vault) }]
  const wanted = new Map<string, Set<string> | 'all'>()
  for (const arg of args) {
    if (!isSnapshotReference(arg)) {
      wanted.set(await resolveHost(vault, arg), 'all')
      continue
    }
    const { host, id } = await referenced(vault, arg)
    const ids = wanted.get(host) ?? new Set<string>()
    if (ids !== 'all') wanted.set(host, ids.add(id))
  }
  return [...wanted].map(([host, ids]) => (ids === 'all' ? { host } : { host, snapshots: [...ids] }))
}

/** A snapshot that the ledger knows is verified also when its directory is gone or can't be read. */
async function referenced(
  vault: Vault,
  arg: string,
): Promise<{ readonly host: string; readonly id: string }> {
  const slash = arg.lastIndexOf('/')
  const id = arg.slice(slash + 1)
  const host = slash < 0 ? await onlyHost(vault) : await resolveHost(vault, arg.slice(0, slash))
  const known = (await vault.ledger(host)).some((record) => record.event === 'made' && record.snapshot === id)
  return known ? { host, id } : resolveSnapshot(vault, arg)
}

/** What `verify` prints: one line a host, and each problem with its next step. */
export function renderVerifyReport({ hosts }: VerifyReport): string {
  if (hosts.length === 0) return 'The vault is empty: nothing to verify.'
  return hosts
    .flatMap(({ host, snapshots, bytes, problems }) => [
      `${host}: ${formatCount(snapshots, 'snapshot')}, ${formatSize(bytes)} read, ${problems.length === 0 ? 'all as recorded' : formatCount(problems.length, 'problem')}`,
      ...problems.flatMap(({ snapshot, file, message, next }) => [
        `  ${printable([host, snapshot, file].filter((part) => part !== undefined).join('/'))}: ${printable(message)}`,
        `    Next: ${next}`,
      ]),
    ])
    .join('\n')
}
