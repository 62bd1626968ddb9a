import { ConfigError, InternalError, RelayError } from '../errors.ts'
import { printable, printableLines } from '../model/path-bytes.ts'
import { problemPlace, problemText } from './config-problem.ts'
import { createPaint } from './paint.ts'
import type { Paint } from './paint.ts'
import { wrapText } from './wrap.ts'

export interface ErrorStyle {
  readonly color: boolean
  /** Adds the chain of causes, with their stacks. */
  readonly verbose?: boolean | undefined
  /** Of the terminal that shows it; absent where there is none, and then a line is as long as it is. */
  readonly columns?: number | undefined
}

/** Deeper chains of causes are cut: they say nothing new, and may go in a circle. */
const MAX_CAUSES = 8

/** An error for a person: what, where, the remote tool's words, the next step. Ends with a newline. */
export function renderError(error: unknown, style: ErrorStyle): string {
  const paint = createPaint(style.color)
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.map((inner: unknown) => renderError(inner, style)).join('')
  }
  const lines = error instanceof RelayError ? expectedLines(error, paint) : defectLines(error, paint)
  if (style.verbose === true) lines.push(...causeLines(error, paint))
  const next =
    error instanceof RelayError
      ? error.details.next
      : 'this is a defect of relay-backup; please report it with the lines above.'
  if (next !== undefined) lines.push(`${paint.cyan('Next:')} ${printableLines(next)}`)
  return `${wrapText(lines.join('\n'), style.columns)}\n`
}

function expectedLines(error: RelayError, paint: Paint): string[] {
  const { host, source, command, exitStatus, stderr } = error.details
  const where = [host, source]
    .filter((part) => part !== undefined)
    .map(printable)
    .join('/')
  const kind = error instanceof InternalError ? 'internal error:' : 'error:'
  const lines = [`${paint.red(kind)} ${where === '' ? '' : `${where}: `}${printableLines(error.message)}`]
  if (error instanceof ConfigError) {
    for (const problem of error.problems) {
      lines.push(`  ${printable(problemPlace(problem))}: ${printable(problemText(problem))}`)
      if (problem.suggestion !== undefined) lines.push(`    ${printable(problem.suggestion)}`)
    }
  }
  if (command !== undefined) {
    lines.push(
      `  ran: ${printable(command)}${exitStatus === undefined ? '' : ` (exit status ${exitStatus})`}`,
    )
  }
  return [...lines, ...toolLines(stderr, '  ')]
}

/** What a tool said, a line each, marked as its own words. */
export function toolLines(stderr: string | undefined, indent: string): string[] {
  const lines = (stderr ?? '').trim().split('\n')
  return lines.flatMap((line) => (line === '' ? [] : [`${indent}| ${printableLines(line)}`]))
}

function defectLines(error: unknown, paint: Paint): string[] {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return [`${paint.red('internal error:')} ${printableLines(stack)}`]
}

function causeLines(error: unknown, paint: Paint): string[] {
  const lines: string[] = []
  let cause: unknown = error instanceof Error ? error.cause : undefined
  for (let depth = 0; depth < MAX_CAUSES && cause !== undefined && cause !== null; depth += 1) {
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
    lines.push(`  ${paint.dim('caused by:')} ${printableLines(text).replaceAll('\n', '\n  ')}`)
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return lines
}

/** An error for a program: the same facts. */
export function errorToJson(error: unknown): { readonly error: Readonly<Record<string, unknown>> } {
  if (!(error instanceof RelayError)) {
    return { error: { code: 'internal', message: error instanceof Error ? error.message : String(error) } }
  }
  const { cause: _cause, ...details } = error.details
  const problems = error instanceof ConfigError ? { problems: error.problems } : {}
  return { error: { code: error.code, message: error.message, ...details, ...problems } }
}
