import { stripVTControlCharacters } from 'node:util'
import { printable } from '../model/path-bytes.ts'
import type { StatusReport, Trouble } from '../model/status-report.ts'
import { formatSize } from '../model/units.ts'
import { codeWords, formatAge } from './format.ts'
import { createPaint, type Paint } from './paint.ts'
import { sparkline } from './sparkline.ts'
import { renderTable } from './table.ts'
import { troubleLine } from './trouble-line.ts'

/** Columns of a trend, and the fewest that still say something. */
const TREND = { most: 14, least: 5 }

/** How the screen is drawn. */
export interface ScreenOptions {
  readonly color: boolean
  /** Of the terminal; undefined where it is none. */
  readonly columns: number | undefined
}

/** `status` for a person: a line a host, then what needs one. */
export function renderStatus(report: StatusReport, { color, columns }: ScreenOptions): string {
  const paint = createPaint(color)
  const without = table(report, paint, { color, columns, trend: 0 })
  const room = Math.min(TREND.most, (columns ?? Infinity) - widthOf(without) - 2)
  const shown = room < TREND.least ? without : table(report, paint, { color, columns, trend: room })
  const { disk } = report
  const space =
    disk === undefined
      ? []
      : [
          `vault: ${printable(report.vault)}, ${formatSize(report.hosts.reduce((sum, one) => sum + one.storedBytes, 0))} in it, ${formatSize(disk.free)} free`,
        ]
  const troubles = [
    ...report.troubles.map((trouble) => ['vault', trouble] as const),
    ...report.hosts.flatMap(({ host, troubles: own }) => own.map((trouble) => [host, trouble] as const)),
  ].flatMap(([where, { message, next }]) => [
    `${paint.red(printable(where))}: ${printable(message)}`,
    `  Next: ${printable(next)}`,
  ])
  const verdict =
    troubles.length === 0
      ? paint.green(report.hosts.length === 1 ? 'All is well.' : `All ${report.hosts.length} hosts are well.`)
      : undefined
  return [shown, ...space, verdict ?? troubles.join('\n')].join('\n\n')
}

/** A line a trouble, for `--quiet`. */
export function statusTroubles({ hosts, troubles }: StatusReport): string[] {
  const line = (where: string, { message, next }: Trouble) =>
    troubleLine({ label: 'failed', where, message, next })
  return [
    ...troubles.map((one) => line('vault', one)),
    ...hosts.flatMap(({ host, troubles: own }) => own.map((one) => line(host, one))),
  ]
}

const HEAD = ['host', 'state', 'last good', 'next run', 'of 30', 'verified', 'snapshots', 'size']
/** Holds a column of the trend while the table is laid out: bars would make the layout slow. */
const HOLDER = '.'

function table(
  { hosts, at }: StatusReport,
  paint: Paint,
  { color, columns, trend }: ScreenOptions & { readonly trend: number },
): string {
  const now = Date.parse(at)
  const isScheduled = hosts.some(({ nextRun }) => nextRun !== undefined)
  const without = <T>(cells: readonly T[]): T[] => (isScheduled ? [...cells] : cells.toSpliced(3, 1))
  const lines = renderTable(
    hosts.map(({ host, lastGood, nextRun, pulls, size, sizes, lastVerified, snapshots, troubles }) =>
      without([
        printable(host),
        troubles[0] === undefined ? paint.green('ok') : paint.red(codeWords(troubles[0].code)),
        lastGood === undefined ? '-' : formatAge(lastGood.ageMs),
        nextRun === undefined ? '-' : formatAge(now - Date.parse(nextRun)),
        pulls.of === 0 ? '-' : `${pulls.good}/${pulls.of}`,
        lastVerified === undefined ? '-' : formatAge(now - Date.parse(lastVerified)),
        String(snapshots),
        size === undefined ? '-' : formatSize(size),
        ...(trend === 0 ? [] : [HOLDER.repeat(sizes.slice(-trend).length)]),
      ]),
    ),
    {
      head: without(trend === 0 ? HEAD : [...HEAD, 'trend']),
      align: without(['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right', 'left']),
      color,
      columns,
    },
  ).split('\n')
  if (trend === 0) return lines.join('\n')
  const [head = '', ...rows] = lines
  return [
    head,
    ...rows.map((line, row) => {
      const shown = hosts[row]?.sizes.slice(-trend) ?? []
      return line.slice(0, line.length - shown.length) + paint.cyan(sparkline(shown))
    }),
  ].join('\n')
}

function widthOf(text: string): number {
  return Math.max(...text.split('\n').map((line) => stripVTControlCharacters(line).length))
}
