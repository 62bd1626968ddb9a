import type { RelayError } from '../errors.ts'
import { ConfigError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import { problemPlace, problemText } from './config-problem.ts'

/** Something that a person should know of, for `--quiet`. */
export interface Trouble {
  readonly label: 'error' | 'failed' | 'warning'
  /** `prod/logs`; absent for what concerns no host. */
  readonly where?: string | undefined
  readonly message: string
  readonly next?: string | undefined
}

/** A trouble as one line, with the next step in it: `failed: prod: …. Next: …`. */
export function troubleLine({ label, where, message, next }: Trouble): string {
  const place = where === undefined || where === '' ? '' : `${printable(where)}: `
  const step = next === undefined ? '' : `${/[.!?]$/.test(message) ? '' : '.'} Next: ${printable(next)}`
  return `${label}: ${place}${printable(message)}${step}`
}

/** What is not ok of some findings, a line each. */
export function findingTroubles(findings: readonly Finding[], where?: string): string[] {
  return findings.flatMap(({ outcome, message, next }) =>
    outcome === 'ok' ? [] : [troubleLine({ label: outcome, where, message, next })],
  )
}

/** An error as one line, or as one for each problem of a config. */
export function errorTroubles(error: RelayError, label: Trouble['label'] = 'error'): string[] {
  if (error instanceof ConfigError)
    return error.problems.map((problem) =>
      troubleLine({
        label,
        where: problemPlace(problem),
        message: problemText(problem),
        next: problem.suggestion,
      }),
    )
  const { host, source, next } = error.details
  const where = [host, source].filter((part) => part !== undefined).join('/')
  return [troubleLine({ label, where, message: error.message, next })]
}
