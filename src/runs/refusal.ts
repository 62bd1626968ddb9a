import { LockedError, RelayError, UsageError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'

/**
 * What failed findings refuse an operation with, before it changes anything; undefined when none failed. The code is
 * `preflight-` and the check's name, whichever operation made the finding and when.
 */
export function refusalOf(
  findings: readonly Finding[],
  { host, next }: { readonly host: string; readonly next: string },
): RelayError | undefined {
  const failed = findings.filter(({ outcome }) => outcome === 'failed')
  const [first] = failed
  if (first === undefined) return undefined
  const details = { host, next: first.next ?? next }
  if (first.check === 'restore-runs') return new LockedError(first.message, details)
  if (first.check === 'to-is-from') return new UsageError(first.message, details)
  return new RelayError(`preflight-${first.check}`, failed.map(({ message }) => message).join('; '), details)
}

/** Throws {@link refusalOf} findings. */
export function refuse(
  findings: readonly Finding[],
  details: { readonly host: string; readonly next: string },
): void {
  const refusal = refusalOf(findings, details)
  if (refusal !== undefined) throw refusal
}
