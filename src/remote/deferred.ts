export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T | PromiseLike<T>) => void
  readonly reject: (reason: unknown) => void
}

/** A promise that is settled from outside. */
export function deferred<T>(): Deferred<T> {
  let resolve: Deferred<T>['resolve'] = () => {}
  let reject: Deferred<T>['reject'] = () => {}
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}

/** Settles as the promise does, or rejects with the signal's reason when that comes first. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const abort = deferred<never>()
  const listener = () => abort.reject(signal.reason)
  signal.addEventListener('abort', listener, { once: true })
  try {
    return await Promise.race([promise, abort.promise])
  } finally {
    signal.removeEventListener('abort', listener)
  }
}
