import { resolve } from 'node:path'
import { loadConfig } from '../config/load.ts'
import { createRewrapper } from '../crypto/rewrapper.ts'
import { InterruptedError, LockedError, UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import { sourceFiles } from '../model/snapshot.ts'
import { formatCount, formatNumber, formatSize } from '../model/units.ts'
import { planRekeying, rekeyHost, type RekeyedHost } from '../rekey/rekey-host.ts'
import { errorToJson } from '../report/render-error.ts'
import { createReporter } from '../report/reporter.ts'
import { troubleLine } from '../report/trouble-line.ts'
import { resolveSecret } from '../secrets/resolve.ts'
import { openLedgerMarks } from '../state/ledger-marks.ts'
import type { Vault } from '../vault/contract.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { nextStep } from '../verify/next-step.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { hostsByName } from './hosts-by-name.ts'
import { ask } from './question.ts'
import { askSecret } from './secret-prompt.ts'
import { tell } from './tell.ts'

export interface KeyRotateFlags {
  readonly add?: readonly string[]
  readonly remove?: readonly string[]
  readonly dryRun?: boolean
  readonly yes?: boolean
}

/** Files that are named in the text; `--json` has all. */
const NAMED = 20

/** `key rotate [host…]`: hands what is in the vault to other recipients, without encrypting it anew. */
export async function keyRotate(
  context: CommandContext,
  args: readonly string[],
  flags: KeyRotateFlags,
): Promise<CommandOutcome> {
  const dryRun = flags.dryRun === true
  if (!context.interactive && flags.yes !== true && !dryRun) {
    throw new UsageError('Nobody can be asked to confirm the change of keys', {
      next: 'Look at what it would do with --dry-run, then add --yes.',
    })
  }
  const remove = (flags.remove ?? []).map(fingerprint)
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const { encryption } = config
  if (encryption.mode === 'passphrase') {
    throw new UsageError('The config encrypts with a passphrase, which has no recipients to change', {
      next: 'To change to keys: relay-backup key generate, name them under encryption.recipients, and pull with --full.',
    })
  }
  const vault = await openExistingVault(config.vault, {
    now: context.now,
    command: 'relay-backup key rotate',
    marks: openLedgerMarks(context.env),
  })
  if (vault === undefined) {
    throw new UsageError('There is no vault yet', { next: 'Make a first snapshot with: relay-backup pull' })
  }
  const { hosts, warning } = await hostsByName(vault, args)
  const change = { add: (flags.add ?? []).map((file) => resolve(context.cwd, file)), remove }
  const { rewrapper, findings } = await createRewrapper(encryption, change, {
    resolveSecret,
    signal: context.signal,
    now: context.now(),
    ...(context.interactive ? { askPassphrase: (prompt: string) => askSecret(prompt, context.signal) } : {}),
  })
  // Questions and a live list do not share a terminal.
  const mode = context.progress.mode === 'tty' ? 'plain' : context.progress.mode
  await using reporter = createReporter({ ...context.progress, mode })
  const all = [
    ...(warning === undefined ? [] : [warning]),
    ...findings,
    ...(await unknownFindings(vault, hosts, remove)),
  ]
  for (const { check: code, message, next } of all) reporter.event({ type: 'warning', code, message, next })
  if (change.add.length + remove.length > 0) {
    const message = '--add and --remove do not change the config'
    const next = 'Name the same recipients under encryption.recipients, or the next pull encrypts to others.'
    reporter.event({ type: 'note', code: 'config-unchanged', message, next })
  }
  const dependencies = { vault, rewrapper, reporter, now: context.now, signal: context.signal }

  const report = (results: readonly RekeyedHost[], planOnly: boolean): CommandOutcome => ({
    exitCode: exitCodeOf(results),
    text: render(results, rewrapper.recipients, planOnly),
    quiet: results.flatMap(rekeyTroubles).join('\n'),
    json: {
      dryRun: planOnly,
      recipients: rewrapper.recipients,
      warnings: all,
      hosts: results.map(({ error, ...one }) => ({ ...one, ...(error && (errorToJson(error) as object)) })),
    },
  })
  // Each session key is opened for a plan, so there is one only where somebody reads it.
  if (dryRun || flags.yes !== true) {
    const planned: RekeyedHost[] = []
    for (const host of hosts) planned.push(await planRekeying(host, dependencies))
    if (dryRun || planned.some(({ error }) => error instanceof InterruptedError)) return report(planned, true)
    const isNeeded = planned.some(({ files }) => files > 0)
    if (isNeeded && !(await isConfirmed(context, render(planned, rewrapper.recipients, true))))
      throw new InterruptedError('Nothing was changed')
  }
  // Also where there is nothing left to do: the lock finishes what a run that was killed has left.
  const done: RekeyedHost[] = []
  for (const host of hosts) done.push(await rekeyHost(host, dependencies))
  return report(done, false)
}

/** Why a host ended early is told by its events. */
function rekeyTroubles({ host, left }: RekeyedHost): string[] {
  return left.map(({ snapshot, file, message, next }) => {
    const where = [host, snapshot, file].filter((part) => part !== undefined).join('/')
    return troubleLine({ label: 'failed', where, message, next })
  })
}

/** As gpg prints it, or without the spaces. */
function fingerprint(text: string): string {
  const plain = text.replace(/^0x/i, '').replaceAll(/\s/g, '').toUpperCase()
  if (/^([0-9A-F]{40}|[0-9A-F]{64})$/.test(plain)) return plain
  throw new UsageError(`--remove ${text}: not a fingerprint`, {
    next: 'Give all of it, 40 or 64 hex digits: relay-backup show SNAPSHOT has those that archives are encrypted to.',
  })
}

/** A fingerprint to remove that nothing is encrypted to: done already, or mistyped. */
async function unknownFindings(
  vault: Vault,
  hosts: readonly string[],
  remove: readonly string[],
): Promise<Finding[]> {
  if (remove.length === 0) return []
  const found = new Set<string>()
  for (const host of hosts) {
    for (const { manifest } of await vault.snapshots(host, { retired: true }))
      for (const { recipients } of manifest.sources.flatMap(sourceFiles))
        for (const one of recipients) found.add(one)
  }
  return remove
    .filter((one) => !found.has(one))
    .map((one) => ({
      check: 'recipient-unknown',
      outcome: 'warning',
      message: `Nothing here is encrypted to ${one}`,
      next: 'See who archives are encrypted to with: relay-backup show SNAPSHOT',
    }))
}

async function isConfirmed(context: CommandContext, plan: string): Promise<boolean> {
  tell(context, plan)
  const { confirm } = await import('@inquirer/prompts')
  return ask(() =>
    confirm(
      { message: 'Change the keys of these files?', default: false },
      { signal: context.signal, output: process.stderr },
    ),
  )
}

/** The first that applies, as for every command. What was left is named; it counts as not done. */
function exitCodeOf(hosts: readonly RekeyedHost[]): ExitCode {
  const errors = hosts.flatMap(({ error }) => error ?? [])
  if (errors.some((error) => error instanceof InterruptedError)) return ExitCode.interrupted
  if (hosts.length > 0 && errors.filter((error) => error instanceof LockedError).length === hosts.length)
    return ExitCode.locked
  const left = hosts.flatMap((one) => one.left)
  if (errors.length === 0 && left.length === 0) return ExitCode.done
  if (hosts.some(({ files }) => files > 0)) return ExitCode.partial
  return errors.length === 0 && left.every(({ damaged }) => damaged) ? ExitCode.damage : ExitCode.failed
}

function render(hosts: readonly RekeyedHost[], recipients: readonly string[], planned: boolean): string {
  if (hosts.length === 0) return 'The vault is empty: there are no keys to change.'
  return [
    ...hosts.flatMap((one) => renderHost(one, planned)),
    `${planned ? 'They would be' : 'They are'} encrypted to: ${recipients.join(' ')}`,
  ].join('\n')
}

function renderHost(
  { host, files, bytes, snapshots, current, left, error }: RekeyedHost,
  planned: boolean,
): string[] {
  const changed = `${formatCount(files, 'file')} of ${formatCount(snapshots, 'snapshot')} (${formatSize(bytes)})`
  const lines = [
    `${host}: ${changed} ${planned ? 'would get' : 'got'} new keys, ${formatCount(current, 'file')} had them already`,
    ...left
      .slice(0, NAMED)
      .flatMap(({ snapshot, file, code, message, next, damaged }) => [
        `  ${printable([host, snapshot, file].filter((part) => part !== undefined).join('/'))}: left as it is: ${printable(message)}`,
        `    Next: ${damaged ? nextStep({ code }) : next}`,
      ]),
  ]
  if (left.length > NAMED) lines.push(`  and ${formatNumber(left.length - NAMED)} more, which --json names`)
  if (error !== undefined)
    lines.push(
      `  ended early: ${printable(error.message)}`,
      `    Next: ${error.details.next ?? 'Run it again.'}`,
    )
  return lines
}
