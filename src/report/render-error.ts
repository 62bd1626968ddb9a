import { ConfigError, RelayError } from '../errors.ts'
import { printableLines } from '../model/path-bytes.ts'

/** An error for a person: what, where, the remote tool's words, the next step. Ends with a newline. */
export function renderError(error: unknown, style: { readonly color: boolean }): string {
  const paint = (code: number, text: string) => (style.color ? `\x1b[${code}m${text}\x1b[0m` : text)
  if (!(error instanceof RelayError)) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return `${paint(31, 'internal error:')} ${stack}\nNext: this is a defect of relay-backup; please report it with the lines above.\n`
  }
  const { host, source, command, exitStatus, stderr, next } = error.details
  const where = [host, source].filter((part) => part !== undefined).join('/')
  const lines = [`${paint(31, 'error:')} ${where === '' ? '' : `${where}: `}${printableLines(error.message)}`]
  if (error instanceof ConfigError) {
    for (const problem of error.problems) {
      const at = [problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(':')
      lines.push(`  ${at}: ${problem.path === '' ? '' : `${problem.path}: `}${problem.message}`)
      if (problem.suggestion !== undefined) lines.push(`    ${problem.suggestion}`)
    }
  }
  if (command !== undefined) {
    lines.push(
      `  ran: ${printableLines(command)}${exitStatus === undefined ? '' : ` (exit status ${exitStatus})`}`,
    )
  }
  for (const line of (stderr ?? '').trim().split('\n')) {
    if (line !== '') lines.push(`  | ${printableLines(line)}`)
  }
  if (next !== undefined) lines.push(`${paint(36, 'Next:')} ${next}`)
  return `${lines.join('\n')}\n`
}

/** An error for a program: the same facts. */
export function errorToJson(error: unknown): unknown {
  if (!(error instanceof RelayError)) {
    return { error: { code: 'internal', message: error instanceof Error ? error.message : String(error) } }
  }
  const { cause: _cause, ...details } = error.details
  const problems = error instanceof ConfigError ? { problems: error.problems } : {}
  return { error: { code: error.code, message: error.message, ...details, ...problems } }
}
