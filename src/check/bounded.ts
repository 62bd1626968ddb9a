import { abortedBy, InternalError, RelayError, withoutCheck } from '../errors.ts'
import type { Checked } from '../model/check-report.ts'
import { formatDuration } from '../model/units.ts'

/**
 * One check, with a bound of time: what it found, or why it could not be told, as a failed one. It ends after `limit`
 * ms also when what it waits for never answers. Throws only when `signal` fires: its reason.
 */
export async function bounded<T extends Checked>(
  about: Omit<T, 'outcome' | 'message' | 'next'>,
  { limit, signal }: { readonly limit: number; readonly signal: AbortSignal },
  look: (signal: AbortSignal) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  signal.throwIfAborted()
  const late = new RelayError('check-late', `no answer within ${formatDuration(limit)}`, {
    next: 'See what it waits for, then check again.',
  })
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(late), limit)
  const either = AbortSignal.any([signal, controller.signal])
  let end = () => {}
  const ended = new Promise<never>((_, reject) => {
    end = () => reject(either.reason as Error)
    either.addEventListener('abort', end)
  })
  const looking = look(either)
  // When the bound came first, nobody waits for it any more.
  looking.catch(() => undefined)
  try {
    return await Promise.race([looking, ended])
  } catch (thrown) {
    if (signal.aborted) throw abortedBy(signal)
    const error = controller.signal.aborted ? late : asRelay(thrown)
    return [{ ...about, ...failed(error) } as T]
  } finally {
    clearTimeout(timer)
    either.removeEventListener('abort', end)
  }
}

/** An error as what a check found. */
export function failed(error: RelayError): Pick<Checked, 'outcome' | 'message' | 'next'> {
  return { outcome: 'failed', message: error.message, next: withoutCheck(error.details.next) }
}

function asRelay(thrown: unknown): RelayError {
  return thrown instanceof RelayError ? thrown : new InternalError(thrown)
}
