import { UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { AuditAction, AuditRecord } from '../model/audit-record.ts'
import { printable } from '../model/path-bytes.ts'
import { formatCount, parseDuration } from '../model/units.ts'
import { codeWords } from '../report/format.ts'
import { renderTable } from '../report/table.ts'
import { troubleLine } from '../report/trouble-line.ts'
import { openLedgerMarks } from '../state/ledger-marks.ts'
import type { AuditReading } from '../vault/contract.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { configOf, type CommandContext, type CommandOutcome } from './context.ts'

/** The flags of `audit` as commander hands them over. */
export interface AuditFlags {
  /** Only what was done on this host. */
  readonly host?: string
  /** A date, or how long ago. */
  readonly since?: string
  /** Check the chain of hashes. */
  readonly verify?: boolean
}

/** `audit`: who did what. With `--verify`, exit 4 when the log is not as it was written. */
export async function audit(
  context: CommandContext,
  _args: readonly string[],
  { host, since, verify }: AuditFlags,
): Promise<CommandOutcome> {
  const from = since === undefined ? undefined : sinceTime(since, context.now())
  const config = await configOf(context)
  const vault = await openExistingVault(config.vault, { marks: openLedgerMarks(context.env) })
  const reading = (await vault?.audit()) ?? { records: [], problems: [] }
  if (verify === true) return verified(reading)
  const records = reading.records.filter(
    (one) => (host === undefined || one.host === host) && (from === undefined || Date.parse(one.at) >= from),
  )
  return {
    exitCode: ExitCode.done,
    text: [
      records.length === 0 ? 'Nothing is recorded.' : table(records, context),
      ...problemLines(reading),
    ].join('\n'),
    json: { entries: records, problems: reading.problems },
  }
}

function verified(reading: AuditReading): CommandOutcome {
  const { records, problems } = reading
  const isWhole = problems.length === 0
  const lines = problemLines(reading)
  return {
    exitCode: isWhole ? ExitCode.done : ExitCode.damage,
    text: isWhole
      ? `${formatCount(records.length, 'entry', 'entries')}: each has the hash of the one before`
      : lines.join('\n'),
    quiet: lines.join('\n'),
    json: { ok: isWhole, entries: records.length, problems },
  }
}

function problemLines({ problems }: AuditReading): string[] {
  const next =
    'Compare audit.jsonl with a copy of the vault. Every command on the server and in the vault since then may be another one than it says.'
  return problems.map(({ line, message }, at) =>
    troubleLine({
      label: 'failed',
      where: 'audit.jsonl',
      message: `line ${line} ${message}`,
      next: at === problems.length - 1 ? next : undefined,
    }),
  )
}

/** ms since the epoch. Throws UsageError. */
function sinceTime(text: string, now: Date): number {
  const ago = parseDuration(text)
  if (ago !== undefined) return now.getTime() - ago
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : NaN
  if (!Number.isNaN(at)) return at
  throw new UsageError(`--since ${text}: not understood`, {
    next: 'Write it like --since 30d or --since 2026-03-01',
  })
}

const WORDS: Partial<Record<AuditAction, string>> = {
  rekey: 'key rotate',
  'key-export': 'key export',
  recipients: 'recipients',
}

function table(
  records: readonly AuditRecord[],
  { color, columns }: Pick<CommandContext, 'color' | 'columns'>,
): string {
  return renderTable(
    records.map((one) => [
      `${one.at.slice(0, 16).replace('T', ' ')} UTC`,
      printable(`${one.by.user}@${one.by.machine}[${one.by.pid}]`),
      WORDS[one.action] ?? one.action,
      printable(one.host ?? ''),
      printable(about(one)),
      one.code === undefined ? one.outcome : `${one.outcome}: ${codeWords(one.code)}`,
    ]),
    { head: ['when', 'who', 'what', 'host', 'about', 'result'], color, columns },
  )
}

/** The snapshot or the keys, and what made it run. */
function about(one: AuditRecord): string {
  const { restores, snapshot, undoes, only, removed, fingerprints, before, schedule, trigger } = one
  const sources = [...(only?.sources ?? []), ...(only?.type === undefined ? [] : [only.type])]
  const by = trigger?.startsWith('schedule:') === true ? trigger.slice('schedule:'.length) : schedule
  const keys =
    fingerprints === undefined
      ? []
      : [...(before === undefined ? [] : [`${keyNames(before)} →`]), keyNames(fingerprints)]
  return [
    ...(restores === undefined ? (snapshot === undefined ? [] : [snapshot]) : [restores]),
    ...(undoes === undefined ? [] : [`undoes ${undoes}`]),
    ...(sources.length === 0 ? [] : [`only ${sources.join(' ')}`]),
    ...(removed === undefined ? [] : [`removed ${removed}`]),
    ...keys,
    ...(by === undefined ? [] : [`(${by})`]),
  ].join(' ')
}

/** The last 16 digits tell a key from others. */
function keyNames(fingerprints: readonly string[]): string {
  return fingerprints.length === 0 ? 'a passphrase' : fingerprints.map((one) => one.slice(-16)).join(' ')
}
