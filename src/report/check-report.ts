import type { Checked, CheckReport } from '../model/check-report.ts'
import { printable } from '../model/path-bytes.ts'
import { formatCount } from '../model/units.ts'
import { createPaint, type Paint } from './paint.ts'
import { troubleLine } from './trouble-line.ts'
import { wrapLine } from './wrap.ts'

/** What a report of `check` is fitted into. */
export interface CheckStyle {
  readonly color: boolean
  /** Of the terminal; undefined where there is none, and then a check is one line however long it is. */
  readonly columns: number | undefined
}

const INDENT = '  '
const OUTCOME_WIDTH = 'warning'.length

/** One line a check, with the next step below what is not ok; without a trailing newline. */
export function renderCheckReport({ checks, hosts }: CheckReport, style: CheckStyle): string {
  const paint = createPaint(style.color)
  const width = Math.max(...checks.map((one) => label(one).length))
  const group = (title: string, of: readonly Checked[]) =>
    of.length === 0 ? [] : [title, ...of.flatMap((one) => lines(one, width, style.columns, paint))]
  const ofHost = (name: string | undefined) => checks.filter(({ host }) => host === name)
  return [
    ...group('this machine', ofHost(undefined)),
    ...hosts.flatMap((name) => group(printable(name), ofHost(name))),
    '',
    total(checks),
  ].join('\n')
}

/** One line for each check that is not ok, for `--quiet`; '' where all are. */
export function renderTroubles({ checks }: CheckReport): string {
  return checks
    .flatMap(({ host, outcome, message, next, ...one }) =>
      outcome === 'ok'
        ? []
        : [troubleLine({ label: outcome, where: host, message: `${label(one)}: ${message}`, next })],
    )
    .join('\n')
}

function label({ check, source }: Pick<Checked, 'check' | 'source'>): string {
  return source === undefined ? check : `${check} ${printable(source)}`
}

function lines(one: Checked, width: number, columns: number | undefined, paint: Paint): string[] {
  const { outcome, message, next } = one
  const color = { ok: paint.green, warning: paint.yellow, failed: paint.red }[outcome]
  const left = INDENT.length * 3 + OUTCOME_WIDTH + width
  const room = columns === undefined ? Infinity : Math.max(20, columns - left)
  const [first = '', ...rest] = wrapLine(printable(message), room)
  const blank = ' '.repeat(left)
  const steps = next === undefined ? [] : wrapLine(printable(next), room - 2)
  return [
    `${INDENT}${color(outcome)}${' '.repeat(OUTCOME_WIDTH - outcome.length)}${INDENT}${label(one).padEnd(width)}${INDENT}${first}`,
    ...rest.map((line) => blank + line),
    ...steps.map((line, at) => `${blank}${at === 0 ? paint.cyan('→') : ' '} ${line}`),
  ]
}

function total(checks: readonly Checked[]): string {
  const count = (outcome: Checked['outcome']) => checks.filter((one) => one.outcome === outcome).length
  const [failed, warnings] = [count('failed'), count('warning')]
  if (failed + warnings === 0) return `${formatCount(checks.length, 'check')}, all ok`
  const parts = [
    ...(failed === 0 ? [] : [`${failed} failed`]),
    ...(warnings === 0 ? [] : [formatCount(warnings, 'warning')]),
  ]
  return `${formatCount(checks.length, 'check')}: ${parts.join(', ')}`
}
