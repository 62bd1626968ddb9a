import { PassThrough, Readable } from 'node:stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createThrottle } from '../../../src/archive/throttle.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function endless(): Readable {
  return new Readable({
    read() {
      this.push(Buffer.alloc(1000))
    },
  })
}

/** Lets the streams work for this long, by the fake clock. */
async function pass(ms: number): Promise<void> {
  for (let elapsed = 0; elapsed < ms; elapsed += 10) {
    await vi.advanceTimersByTimeAsync(10)
    for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve))
  }
}

test('all streams together keep to the limit, and each gets on', async () => {
  const throttle = createThrottle(100_000)
  const streams = [throttle(endless()), throttle(endless()), throttle(endless())]
  const bytes = [0, 0, 0]
  streams.forEach((stream, at) =>
    stream.on('data', (chunk: Buffer) => (bytes[at] = (bytes[at] ?? 0) + chunk.length)),
  )
  await pass(2000)
  const total = bytes.reduce((sum, count) => sum + count, 0)
  // A tenth of a second may be caught up on.
  expect(total).toBeLessThanOrEqual(100_000 * 2.1 + 3000)
  expect(total).toBeGreaterThanOrEqual(100_000 * 1.8)
  for (const count of bytes) expect(count).toBeGreaterThan(40_000)
  for (const stream of streams) stream.destroy()
})

test('an error comes through', async () => {
  const source = new PassThrough()
  const limited = createThrottle(1000)(source)
  const seen = new Promise((resolve) => limited.once('error', resolve))
  const lost = new Error('lost')
  source.destroy(lost)
  expect(await seen).toBe(lost)
})

test('destroying it while it waits ends the stream and the wait', async () => {
  const source = endless()
  const limited = createThrottle(1)(source)
  limited.on('data', () => {})
  await pass(50)
  expect(vi.getTimerCount()).toBe(1)
  limited.destroy()
  await pass(10)
  expect(source.destroyed).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
})
