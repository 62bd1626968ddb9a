import type { ExitResult, RemoteProcess } from '../remote/contract.ts'

/**
 * Watches the exit of a process whose stream may be cut off by us. The function it returns gives the exit, or
 * undefined when it never came because `isCut()`; it throws what went wrong before that (a lost connection), which
 * explains a stream that broke off better than the break itself.
 */
export function watchExit(
  process: Pick<RemoteProcess, 'exit'>,
  isCut: () => boolean,
): () => Promise<ExitResult | undefined> {
  let broken: unknown
  process.exit.catch((error: unknown) => {
    if (!isCut()) broken = error
  })
  return () =>
    process.exit.catch((error: unknown) => {
      if (isCut() && error !== broken) return undefined
      throw error
    })
}
