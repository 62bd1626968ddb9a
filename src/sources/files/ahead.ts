/**
 * Starts work on up to `most` items before it is asked for, and gives the results in the items' order. A failure
 * comes at its place. When the iteration ends early the rest is dropped: whoever owns what it works with ends that.
 */
export async function* ahead<T, R>(
  items: AsyncIterable<T>,
  most: number,
  start: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const started: Promise<R>[] = []
  let wake = () => {}
  let stopped = false
  let ended = false
  let failure: unknown
  const change = () => new Promise<void>((resolve) => (wake = resolve))
  let changed = change()
  const tell = () => {
    wake()
    changed = change()
  }

  const fill = async () => {
    for await (const item of items) {
      while (started.length >= most && !stopped) await changed
      if (stopped) return
      const result = start(item)
      result.catch(() => {})
      started.push(result)
      tell()
    }
  }
  fill()
    .catch((error: unknown) => (failure = error))
    .finally(() => {
      ended = true
      tell()
    })

  try {
    for (;;) {
      const next = started.shift()
      if (next !== undefined) {
        tell()
        yield await next
      } else if (ended) {
        if (failure !== undefined) throw failure as Error
        return
      } else await changed
    }
  } finally {
    stopped = true
    tell()
  }
}
