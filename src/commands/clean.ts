import { cleanHost } from '../clean/clean-host.ts'
import { loadConfig } from '../config/load.ts'
import { UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { CleanOutcome, CleanReport } from '../model/clean-report.ts'
import { pathFromJson, printable } from '../model/path-bytes.ts'
import { formatCount, formatSize } from '../model/units.ts'
import { openArchive } from '../archive/open-archive.ts'
import { lockDeployment } from '../remote/deployment-lock.ts'
import { createReporter } from '../report/reporter.ts'
import { troubleLine } from '../report/trouble-line.ts'
import { openLedgerMarks } from '../state/ledger-marks.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { chooseHosts } from './choose-hosts.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { confirmed } from './question.ts'
import { lazyDecryptor } from './wire-look.ts'
import { wireVisits } from './wire-pull.ts'

export interface CleanFlags {
  readonly dryRun?: boolean
  readonly yes?: boolean
}

/** `clean HOST`: removes old files on a server that a snapshot holds, as `clean:` of the host says. */
export async function clean(
  context: CommandContext,
  [name = '']: readonly string[],
  flags: CleanFlags,
): Promise<CommandOutcome> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const [host] = await chooseHosts(context, config, { names: [name] })
  if (host === undefined) throw new UsageError('HOST names no host')
  if (host.clean === undefined || host.clean.length === 0) {
    throw new UsageError(`Nothing says what to clean on ${host.name}`, {
      host: host.name,
      next: `Say it in the config: hosts.${host.name}.clean: { logs: { match: "*.log", olderThan: 30d } }`,
    })
  }
  const vault = await openExistingVault(config.vault, {
    now: context.now,
    command: 'relay-backup clean',
    marks: openLedgerMarks(context.env),
  })
  if (vault === undefined) {
    throw new UsageError('There is no vault yet', {
      next: `Make a first snapshot with: relay-backup pull ${host.name}`,
    })
  }
  await using reporter = createReporter(context.progress)
  const report = await cleanHost(
    { host, dryRun: flags.dryRun === true },
    {
      ...wireVisits(context, reporter),
      vault,
      decryptor: lazyDecryptor(context, config),
      openArchive,
      reporter,
      now: context.now,
      lockDeployment,
      confirm: flags.yes === true ? undefined : (what) => confirmed(context, host.name, what),
    },
    context.signal,
  )
  const failed = report.files.filter(({ outcome }) => outcome === 'failed')
  const removed = report.files.some(({ outcome }) => outcome === 'removed')
  return {
    exitCode: failed.length === 0 ? ExitCode.done : removed ? ExitCode.partial : ExitCode.failed,
    text: renderCleanReport(report),
    quiet: failed
      .map(({ source, path, reason = 'it stays' }) =>
        troubleLine({
          label: 'failed',
          where: `${host.name}/${source}`,
          message: `${shown(path)}: ${reason}`,
        }),
      )
      .join('\n'),
    json: { ...report, files: report.files.map((file) => ({ ...file, path: shown(file.path) })) },
  }
}

const shown = (path: CleanReport['files'][number]['path']): string => printable(pathFromJson(path))

const WHY: Readonly<Record<Exclude<CleanOutcome, 'removed' | 'would'>, string>> = {
  changed: 'is not what the snapshot has',
  open: 'is open',
  failed: 'could not be removed',
  unproven: 'is in the snapshot in several parts',
}

/** What goes or went, what stays and why, and what has it. */
export function renderCleanReport({ host, dryRun, files, snapshots }: CleanReport): string {
  const going = files.filter(({ outcome }) => outcome === 'removed' || outcome === 'would')
  const bytes = going.reduce((sum, file) => sum + file.bytes, 0)
  const lines = files.map(({ path, bytes: size, outcome, reason }) => {
    if (outcome === 'would') return `  would go: ${shown(path)} (${formatSize(size)})`
    if (outcome === 'removed') return `  removed: ${shown(path)} (${formatSize(size)})`
    return `  stays: ${shown(path)} ${WHY[outcome]}${reason === undefined ? '' : `: ${printable(reason)}`}`
  })
  const count = `${formatCount(going.length, 'old file')} (${formatSize(bytes)})`
  const what = dryRun
    ? `${count} would be removed`
    : `${count} ${going.length === 1 ? 'was' : 'were'} removed`
  const held = dryRun || going.length === 0 ? '' : `; only the vault has them now: ${snapshots.join(', ')}`
  return [`${host}: ${what}${held}`, ...lines].join('\n')
}
