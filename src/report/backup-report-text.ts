import type { BackupReport, ReportedHost } from '../model/backup-report.ts'
import { printable } from '../model/path-bytes.ts'
import { formatCount, formatDuration, formatSize } from '../model/units.ts'
import { createPaint, type Paint } from './paint.ts'
import { sparkline } from './sparkline.ts'
import { renderTable } from './table.ts'
import { formatPace } from './usage-screen.ts'

/** Columns of a trend. */
const TREND = 14

/** `2026-03-03 12:00 UTC` */
export const minuteOf = (iso: string): string => `${iso.slice(0, 16).replace('T', ' ')} UTC`

/** `report of the week: 2 things need attention` */
export function reportTitle({ period, attention }: BackupReport): string {
  const needs =
    attention.length === 0
      ? 'all is well'
      : `${formatCount(attention.length, 'thing')} ${attention.length === 1 ? 'needs' : 'need'} attention`
  return `report of the ${period}: ${needs}`
}

/** A report for a terminal, and as the text of a message; what needs attention comes first. */
export function renderReportText(report: BackupReport, { color }: { readonly color: boolean }): string {
  const paint = createPaint(color)
  const { attention, hosts } = report
  const first = attention.flatMap(({ host, message, next }) => [
    `${paint.red(printable(host ?? 'vault'))}: ${printable(message)}`,
    `  Next: ${printable(next)}`,
  ])
  const title = `Backups of ${printable(report.machine)}, ${minuteOf(report.from)} to ${minuteOf(report.to)}`
  return [
    title,
    first.length === 0 ? paint.green('Nothing needs attention.') : first.join('\n'),
    ...hosts.map((host) => hostText(host, paint, color)),
    ...(report.disk === undefined ? [] : [vaultLine(report)]),
  ].join('\n\n')
}

/** `vault: 3 GiB of 9 GiB free, +1 MiB a day: full in 40 days` */
export function vaultLine({ disk, growth, daysLeft }: BackupReport): string {
  if (disk === undefined) return 'There is no vault yet.'
  const pace = growth === undefined ? '' : `, ${formatPace(growth)} a day`
  const left = daysLeft === undefined ? '' : `: full in ${formatCount(daysLeft, 'day')}`
  return `vault: ${formatSize(disk.free)} of ${formatSize(disk.bytes)} free${pace}${left}`
}

/** What is said of a host beside its failures and sources: a line each. */
export function hostFacts(host: ReportedHost): string[] {
  const { lastGood, runs, slowest, biggest, proven, removed, vault } = host
  const counts = runs.map(({ operation, outcome, count }) => `${operation} ${outcome} ${count}`)
  const last = (what: string) => proven.find((one) => one.what === what)?.at
  const [verified, restored] = [last('verify'), last('restore')]
  const reasons = removed.map(({ why, count }) => `${count} (${why})`)
  return [
    `last good: ${lastGood === undefined ? 'none' : `${lastGood.snapshot}, ${minuteOf(lastGood.at)}`}`,
    `runs: ${counts.length === 0 ? 'none' : counts.join(', ')}`,
    `proven: ${verified === undefined ? 'never verified' : `verified ${minuteOf(verified)}`}, ${restored === undefined ? 'never restored' : `restored ${minuteOf(restored)}`}`,
    ...(slowest === undefined
      ? []
      : [`slowest: the pull of ${minuteOf(slowest.at)}, ${formatDuration(slowest.seconds * 1000)}`]),
    ...(biggest === undefined
      ? []
      : [`biggest: ${biggest.source} of ${minuteOf(biggest.at)}, ${formatSize(biggest.bytes)}`]),
    `removed: ${reasons.length === 0 ? 'no snapshot' : reasons.join(', ')}`,
    `in the vault: ${formatSize(vault.bytes)} in ${formatCount(vault.snapshots, 'snapshot')}${vault.growth === undefined ? '' : `, ${formatPace(vault.growth)} a day`}`,
  ]
}

function hostText(host: ReportedHost, paint: Paint, color: boolean): string {
  const failures = host.failures.map(({ at, operation, reason }) =>
    paint.red(`  ${minuteOf(at)}: ${operation} ${printable(reason)}`),
  )
  const table = renderTable(
    host.sources.map(({ source, sizes, growth }) => [
      printable(source),
      sizes.length === 0 ? '-' : formatSize(sizes.at(-1)?.bytes ?? 0),
      formatPace(growth),
      sparkline(sizes.slice(-TREND).map(({ bytes }) => bytes)),
    ]),
    { head: ['source', 'size', 'a day', '30 days'], align: ['left', 'right', 'right', 'left'], color },
  )
  return [
    printable(host.host),
    ...hostFacts(host).map((line) => `  ${printable(line)}`),
    ...(failures.length === 0 ? [] : ['  failures:', ...failures.map((line) => `  ${line}`)]),
    ...(host.sources.length === 0 ? [] : table.split('\n').map((line) => `  ${line}`)),
  ].join('\n')
}
