import { createHash } from 'node:crypto'
import { z } from 'zod'
import { text, type Fields, type Problem } from '../config/contract.ts'
import { RelayError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import type { SnapshotWarning } from '../model/snapshot.ts'
import { formatCount } from '../model/units.ts'
import type { CaptureContext } from './contract.ts'

/** What a user's own query said of a database when it was captured. */
export type CheckFact = { readonly query: string } & (
  | { readonly says: string }
  /** What is no number may be somebody's data, and facts are public: only its hash is kept, hex. */
  | { readonly rows: number; readonly sha256: string }
  /** It failed then, too. */
  | { readonly failed: true }
  /** It changed while this was captured, so nobody knows what the capture has. */
  | { readonly unsteady: true }
)

/** Runs a query, and returns its rows, each as one text with its columns parted by `|`. Throws RelayError. */
export type AskQuery = (query: string) => Promise<readonly string[]>

/** The config key of kinds whose data can be asked. */
export const checks = z
  .array(text('the query'))
  .min(1, 'name at least one query')
  .optional()
  .describe(
    'Queries of your own: ["select count(*) from users"]. What they say is recorded at the capture, and compared before a restore puts the data in place.',
  )

/** `one`: the source has one database, to which the queries are put. `how`: what to write for that. */
export function checksProblems({ checks: written }: Fields, one: boolean, how: string): Problem[] {
  if (written === undefined || one) return []
  return [
    { path: ['checks'], at: 'key', message: 'works only with a single database', suggestion: `Write ${how}` },
  ]
}

const PLAIN = /^(?:-?\d+(?:\.\d+)?(?:e[-+]?\d+)?|true|false|null|)$/i
const LONGEST = 200

/** What is kept of an answer. Rows without an order are the same in any. */
export function checkFact(query: string, rows: readonly string[]): CheckFact {
  const sorted = [...rows].sort()
  const says = sorted.join(', ')
  const isPlain = sorted.every((row) => row.split('|').every((value) => PLAIN.test(value)))
  if (isPlain && says.length <= LONGEST) return { query, says: says === '' ? 'nothing' : says }
  const sha256 = createHash('sha256').update(JSON.stringify(sorted)).digest('hex')
  return { query, rows: sorted.length, sha256 }
}

/**
 * Puts each query to what is captured. One that fails costs no backup: it is recorded as failed, and a warning says so; so
 * is one whose answer changed meanwhile (`ask` resolves with undefined). Throws what ends the capture itself.
 */
export async function recordChecks(
  context: Pick<CaptureContext, 'notice' | 'signal'>,
  queries: readonly string[],
  ask: (query: string) => Promise<readonly string[] | undefined>,
): Promise<{ readonly facts: readonly CheckFact[]; readonly warnings: readonly SnapshotWarning[] }> {
  const facts: CheckFact[] = []
  for (const query of queries) {
    try {
      const rows = await ask(query)
      facts.push(rows === undefined ? { query, unsteady: true } : checkFact(query, rows))
      if (rows !== undefined) continue
      context.notice({
        code: 'check-unsteady',
        message: `what the check ${printable(query)} says changed while this was captured`,
        next: 'Pull when less is written, or write a check whose answer stays: a restore compares nothing by it.',
      })
    } catch (error) {
      if (!(error instanceof RelayError) || context.signal.aborted) throw error
      facts.push({ query, failed: true })
      context.notice({
        code: 'check-failed',
        message: `the check ${printable(query)} failed: ${error.message}`,
        next: 'Correct it in `checks` of this source: a restore compares nothing by it.',
      })
    }
  }
  const warned = (code: string, key: 'failed' | 'unsteady'): SnapshotWarning[] => {
    const count = facts.filter((fact) => key in fact).length
    return count === 0 ? [] : [{ code, count }]
  }
  return { facts, warnings: [...warned('check-failed', 'failed'), ...warned('check-unsteady', 'unsteady')] }
}

/**
 * Puts to what was restored those of the target's own queries that the capture has recorded; a `failed` finding says that
 * it is not to be put in place.
 */
export async function compareChecks(
  source: string,
  queries: readonly string[],
  recorded: readonly CheckFact[] | undefined,
  ask: AskQuery,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const query of queries) {
    const expected = recorded?.find((fact) => fact.query === query)
    if (expected === undefined || 'failed' in expected || 'unsteady' in expected) {
      const why =
        expected === undefined ? 'did not run' : 'failed' in expected ? 'failed' : 'had no steady answer'
      findings.push({
        check: 'check-unknown',
        outcome: 'warning',
        message: `the check ${printable(query)} ${why} when this was captured, so nothing is compared by it`,
      })
      continue
    }
    const found = await ask(query)
      .then((rows) => checkFact(query, rows))
      .catch((error: unknown) => {
        if (error instanceof RelayError) return error
        throw error
      })
    findings.push(judge(source, expected, found))
  }
  return findings
}

function judge(source: string, expected: CheckFact, found: CheckFact | RelayError): Finding {
  const query = printable(expected.query)
  const next = `Look into what was loaded, or restore an older snapshot. If only the check is at fault, take it out of \`checks\` of ${source}, and restore again.`
  if (found instanceof RelayError) {
    const message = `the check ${query} fails on what was restored: ${found.message}`
    return { check: 'check-differs', outcome: 'failed', message, next }
  }
  const said = answer(found)
  if (sameAnswer(expected, found))
    return { check: 'check', outcome: 'ok', message: `${query}: ${said}, as when it was captured` }
  const differs = said === answer(expected) ? 'other values' : answer(expected)
  const message = `the check ${query} says ${said}, and said ${differs} when it was captured`
  return { check: 'check-differs', outcome: 'failed', message, next }
}

function sameAnswer(expected: CheckFact, found: CheckFact): boolean {
  if ('says' in expected) return 'says' in found && found.says === expected.says
  return 'sha256' in expected && 'sha256' in found && found.sha256 === expected.sha256
}

function answer(fact: CheckFact): string {
  return 'says' in fact ? fact.says : formatCount('rows' in fact ? fact.rows : 0, 'row')
}
