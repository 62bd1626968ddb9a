import { expected, type RelayError } from '../errors.ts'
import type { Reporter } from '../report/contract.ts'

/** What a host came to: a word for it, or why it failed. */
export type HostEnd = string | RelayError

/**
 * Tells `host-started` of each host before the work, and exactly one of `host-finished` and `host-failed` behind it,
 * whatever stops it. Throws what the work throws. `ends`: the command has no result but of these hosts, so it tells
 * their failure itself.
 */
export async function tellHosts<T>(
  hosts: readonly string[],
  { reporter, ends = false }: { readonly reporter: Reporter; readonly ends?: boolean },
  endOf: (result: T) => HostEnd,
  work: () => Promise<T>,
): Promise<T> {
  for (const host of hosts) reporter.event({ type: 'host-started', host })
  const tell = (end: HostEnd): void => {
    for (const host of hosts) {
      if (typeof end === 'string') reporter.event({ type: 'host-finished', host, message: end })
      else reporter.event({ type: 'host-failed', host, error: end, ...(ends ? { ends } : {}) })
    }
  }
  let result: T
  try {
    result = await work()
  } catch (thrown) {
    tell(expected(thrown))
    throw thrown
  }
  tell(endOf(result))
  return result
}
