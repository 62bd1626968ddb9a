import { RelayError } from '../errors.ts'
import { formatDuration } from '../model/units.ts'

/** setTimeout's longest, in ms: 24 days. */
const LONGEST = 2 ** 31 - 1

/** The signal of one run. It fires when the given signal does, and when the run takes longer than it may. */
export interface RunSignal extends Disposable {
  readonly signal: AbortSignal
}

/**
 * Bounds a run; without `runTimeout` it is not bounded. After `runTimeout` ms its signal fires with RelayError `run-timeout`; what is under way is undone and
 * every lock given back, as after Ctrl-C. Disposing it ends the watch.
 */
export function boundRun(
  host: { readonly name: string; readonly runTimeout?: number },
  signal: AbortSignal,
): RunSignal {
  const { runTimeout } = host
  if (runTimeout === undefined) return { signal, [Symbol.dispose]: () => undefined }
  const controller = new AbortController()
  const end = () => {
    controller.abort(
      new RelayError('run-timeout', `The run took longer than ${formatDuration(runTimeout)}`, {
        host: host.name,
        next: 'See what it waited for; if it just needs that long, raise `runTimeout` in the config',
      }),
    )
  }
  const timer = setTimeout(end, Math.min(runTimeout, LONGEST))
  return {
    signal: AbortSignal.any([signal, controller.signal]),
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}
