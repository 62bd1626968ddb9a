import { printable } from '../model/path-bytes.ts'
import { formatCount, formatSize } from '../model/units.ts'
import type { HostUsage, SourceUsage, UsageReport } from '../model/usage-report.ts'
import { renderTable } from './table.ts'

/** `usage` for a person. */
export function renderUsage(report: UsageReport, { color }: { readonly color: boolean }): string {
  const { disk, growth, daysLeft, vault } = report
  const space =
    disk === undefined
      ? 'There is no vault yet.'
      : `vault: ${printable(vault)}, ${formatSize(disk.free)} of ${formatSize(disk.bytes)} free${paceWords(growth, daysLeft)}`
  return [...report.hosts.map((host) => hostLines(host, color)), space].join('\n\n')
}

/** A line for each server that was not reached, for `--quiet`. */
export function usageTroubles({ hosts }: UsageReport): string[] {
  return hosts.flatMap(({ host, error }) =>
    error === undefined
      ? []
      : [`failed: ${printable(host)}: ${printable(error.message)}. Next: ${printable(error.next ?? '')}`],
  )
}

function hostLines(
  { host, error, disk, growth, daysLeft, vault, sources }: HostUsage,
  color: boolean,
): string {
  const rows = sources.flatMap((source) => [
    [
      printable(source.source),
      sizeOf(source),
      source.held === undefined ? '-' : formatSize(source.held),
      formatSize(source.stored),
      formatPace(source.growth),
    ],
    ...source.directories.map(({ path, bytes }) => [`  ${printable(path)}`, formatSize(bytes), '', '', '']),
  ])
  const table = renderTable(rows, {
    head: [printable(host), 'on server', 'last backup', 'in vault', 'a day'],
    align: ['left', 'right', 'right', 'right', 'right'],
    color,
  })
  const server =
    error !== undefined
      ? [
          `server: ${printable(error.message)}`,
          ...(error.next === undefined ? [] : [`  Next: ${printable(error.next)}`]),
        ]
      : disk === undefined
        ? []
        : [`server: ${formatSize(disk.free)} of ${formatSize(disk.bytes)} free${paceWords(growth, daysLeft)}`]
  const held = `in the vault: ${formatSize(vault.bytes)} in ${formatCount(vault.snapshots, 'snapshot')}${paceWords(vault.growth, undefined)}`
  return [table, ...server, held].join('\n')
}

function sizeOf({ bytes, atLeast }: SourceUsage): string {
  if (bytes === undefined) return '-'
  return `${atLeast === true ? 'over ' : ''}${formatSize(bytes)}`
}

/** `+1.2 MiB`, `-3 KiB`; `-` where it is not known. */
export function formatPace(bytes: number | undefined): string {
  if (bytes === undefined) return '-'
  return `${bytes < 0 ? '-' : '+'}${formatSize(Math.abs(Math.round(bytes)))}`
}

/** `, +1.2 MiB a day: full in 40 days` */
function paceWords(growth: number | undefined, daysLeft: number | undefined): string {
  if (growth === undefined) return ''
  const left = daysLeft === undefined ? '' : `: full in ${formatCount(daysLeft, 'day')}`
  return `, ${formatPace(growth)} a day${left}`
}
