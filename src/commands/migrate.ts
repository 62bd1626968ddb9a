import { adHocTwin } from '../config/ad-hoc-host.ts'
import { loadConfig } from '../config/load.ts'
import { InterruptedError, UsageError } from '../errors.ts'
import { ExitCode, exitCodeOf as exitCodeOfError } from '../exit-codes.ts'
import { migrateHosts } from '../migrate/migrate-hosts.ts'
import type { Config, HostConfig } from '../model/config.ts'
import type { MigrationPlan, MigrationReport } from '../model/migration-report.ts'
import {
  migrationReportToJson,
  renderMigrationPlan,
  renderMigrationReport,
} from '../report/migration-summary.ts'
import { errorTroubles, findingTroubles } from '../report/trouble-line.ts'
import { chooseHosts } from './choose-hosts.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { ask } from './question.ts'
import { tell } from './tell.ts'
import { wireRestore } from './wire-restore.ts'

/** The flags of `migrate` as commander hands them over. */
export interface MigrateFlags {
  readonly cutover?: boolean
  readonly start?: boolean
  readonly replace?: boolean
  readonly acceptMissing?: boolean
  readonly dryRun?: boolean
  readonly yes?: boolean
}

/** `migrate FROM TO`: tries a deployment out on another server, or moves it there. */
export async function migrate(
  context: CommandContext,
  args: readonly string[],
  flags: MigrateFlags,
): Promise<CommandOutcome> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const { from, to } = await chooseBoth(context, config, args)
  if (!context.interactive && flags.yes !== true && flags.dryRun !== true) {
    throw new UsageError('Nobody can be asked to confirm the migration', {
      host: to.name,
      next: 'Look at the plan with --dry-run, then add --yes.',
    })
  }
  await using wired = await wireRestore(context, config, () => Promise.resolve(true), { mustEncrypt: true })
  const report = await migrateHosts(
    {
      from,
      to,
      cutover: flags.cutover === true,
      start: flags.start === true,
      replace: flags.replace === true,
      acceptMissing: flags.acceptMissing === true,
      dryRun: flags.dryRun === true,
    },
    {
      restore: wired.dependencies,
      confirm: (plan) => confirmPlan(context, plan, flags.yes === true),
    },
    context.signal,
  )
  return {
    exitCode: exitCodeOf(report),
    text: renderMigrationReport(report, { color: context.color }),
    quiet: [
      ...findingTroubles(report.findings, report.plan.to),
      ...(report.error === undefined ? [] : errorTroubles(report.error, 'failed')),
    ].join('\n'),
    json: migrationReportToJson(report),
  }
}

/**
 * One of the two may be an alias of OpenSSH's config. No more than that: a rollback finds the other server by the name in the
 * journal, and a name that is written nowhere could not be given up by taking it out.
 */
async function chooseBoth(
  context: CommandContext,
  config: Config,
  args: readonly string[],
): Promise<{ readonly from: HostConfig; readonly to: HostConfig }> {
  const [from] = await chooseHosts(context, config, { names: args.slice(0, 1) })
  const [to] = await chooseHosts(context, config, { names: args.slice(1, 2) })
  const known = [from, to].filter((host) => host !== undefined && config.hosts.includes(host))
  if (from === undefined || to === undefined || known.length === 0 || args.some((name) => name.includes('@')))
    throw new UsageError('FROM and TO are two hosts of the config; one may be an alias of ~/.ssh/config', {
      next: 'Write both down in the config: what runs there, and how it is stopped and started.',
    })
  if (!config.hosts.includes(to)) return { from, to: adHocTwin(to, from) }
  return { from: config.hosts.includes(from) ? from : adHocTwin(from, to), to }
}

/**
 * A migration that was undone did nothing that was asked for. A migration that is not decided has moved the app. A plan
 * ends with the code that the planned migration would end with.
 */
function exitCodeOf({ outcome, error }: MigrationReport): ExitCode {
  if (outcome === 'done') return ExitCode.done
  if (outcome === 'planned') return error === undefined ? ExitCode.done : exitCodeOfError(error)
  if (outcome === 'undecided') return ExitCode.partial
  return error instanceof InterruptedError ? ExitCode.interrupted : ExitCode.failed
}

/** At a terminal the new server's name has to be typed. */
async function confirmPlan(context: CommandContext, plan: MigrationPlan, yes: boolean): Promise<boolean> {
  tell(context, renderMigrationPlan(plan, { color: context.color }))
  if (yes) return true
  const { input } = await import('@inquirer/prompts')
  const typed = await ask(() =>
    input(
      { message: `To go on, type the new server's name (${plan.to}):` },
      { signal: context.signal, output: process.stderr },
    ),
  )
  return typed.trim() === plan.to
}
