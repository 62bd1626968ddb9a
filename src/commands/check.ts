import { existsSync } from 'node:fs'
import { checkAll } from '../check/check-all.ts'
import type { CheckDependencies } from '../check/dependencies.ts'
import type { Judged } from '../check/judge.ts'
import { loadConfig } from '../config/load.ts'
import { checkKeys } from '../crypto/check-keys.ts'
import { wasExported } from '../crypto/export-record.ts'
import { ConfigError, KeyError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { CheckReport } from '../model/check-report.ts'
import type { Config } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import { renderCheckReport, renderTroubles } from '../report/check-report.ts'
import { problemPlace, problemText } from '../report/config-problem.ts'
import { resolveSecret } from '../secrets/resolve.ts'
import { judgeTimers } from '../schedule/judge-timers.ts'
import { openLedgerMarks } from '../state/ledger-marks.ts'
import { accessFindings } from '../vault/access.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { placeFindings, vaultDisk } from '../vault/suitable.ts'
import { chooseHosts } from './choose-hosts.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { runsOfAll } from './schedule-history.ts'
import { lookAtTimers, thisSystem } from './schedule-system.ts'
import { wirePlanning } from './wire-pull.ts'

/** ms that one check may take; a person may have to answer a question in it. */
const LIMIT = 90_000

/** `check [host…]`: whether everything that backups need is in order. Exit 4 when something failed; warnings are 0. */
export async function check(context: CommandContext, names: readonly string[]): Promise<CommandOutcome> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env }).catch(
    (error: unknown) => {
      if (error instanceof ConfigError) return error
      throw error
    },
  )
  if (config instanceof ConfigError) return outcome(brokenConfig(config), context)
  const hosts = await chooseHosts(context, config, { names, all: names.length === 0, tag: undefined })
  return outcome(
    await checkAll({ config, hosts, limit: LIMIT }, wireCheck(context, config), context.signal),
    context,
  )
}

function wireCheck(context: CommandContext, config: Config): CheckDependencies {
  return {
    ...wirePlanning(context, undefined),
    checkKeys: (signal) => keyFindings(context, config, signal),
    timerFindings: (signal) => timerFindings(context, config, signal),
    openVault: () => openExistingVault(config.vault, { marks: openLedgerMarks(context.env) }),
    vaultFindings: async () => [
      ...(await accessFindings(config.vault, process.getuid?.())),
      ...(await placeFindings(config.vault)),
    ],
    vaultDisk: () => vaultDisk(config.vault),
  }
}

/** What is wrong with the timers of the system; nothing where there are neither schedules nor timers. */
async function timerFindings(
  context: CommandContext,
  config: Config,
  signal: AbortSignal,
): Promise<readonly Judged[]> {
  const { kept } = await lookAtTimers(config.file, await thisSystem(context), signal)
  if (config.schedules.length === 0 && kept.every(({ timers }) => timers.length === 0)) return []
  const { dueRuns } = await import('../schedule/due-runs.ts')
  // A vault that can't be opened is found by another check.
  const vault = await openExistingVault(config.vault, { marks: openLedgerMarks(context.env) }).catch(
    () => undefined,
  )
  const history = await runsOfAll(vault, config.hosts)
  const due = dueRuns(config.schedules, history, context.now())
  return judgeTimers({ schedules: config.schedules, due, kept, isThere: existsSync })
}

/**
 * As of `key check`, but that a machine may only pull: then it has no identity, or one whose passphrase a person types.
 */
async function keyFindings(
  { env, now }: CommandContext,
  { encryption }: Config,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  let isAsked = false
  const findings = await checkKeys(encryption, {
    resolveSecret,
    askPassphrase: () => {
      isAsked = true
      return Promise.reject(new KeyError('nobody was asked'))
    },
    now: now(),
    signal,
    wasExported: (fingerprint) => wasExported(env, fingerprint),
  })
  const hasNone = encryption.mode === 'recipients' && encryption.identity === undefined
  if (!isAsked && !hasNone) return findings
  return findings.map((one): Finding => {
    if (one.check !== 'identity-opens' || one.outcome !== 'failed') return one
    if (isAsked)
      return {
        ...one,
        outcome: 'ok',
        message: 'a restore asks for the passphrase of the identity',
        next: undefined,
      }
    return {
      ...one,
      outcome: 'warning',
      message: 'the config names no identity: this machine can back up, and not restore',
      next: 'Where it is to restore, set encryption.identity to the private key file, or to { gpg: KEYID }',
    }
  })
}

function brokenConfig({ problems }: ConfigError): CheckReport {
  const checks = problems.map((problem) => ({
    check: 'config' as const,
    outcome: 'failed' as const,
    message: `${problemPlace(problem)}: ${problemText(problem)}`,
    next: problem.suggestion,
  }))
  return { checks, hosts: [] }
}

function outcome(report: CheckReport, context: CommandContext): CommandOutcome {
  const { checks } = report
  const isFailed = checks.some((one) => one.outcome === 'failed')
  return {
    exitCode: isFailed ? ExitCode.damage : ExitCode.done,
    text: renderCheckReport(report, context),
    quiet: renderTroubles(report),
    json: { ok: !isFailed, checks },
  }
}
