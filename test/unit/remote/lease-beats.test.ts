import { PassThrough } from 'node:stream'
import { afterEach, expect, test, vi } from 'vitest'
import type { ExitResult } from '../../../src/remote/contract.ts'
import { openLease, SILENCE_LIMIT } from '../../../src/remote/lease.ts'

afterEach(() => vi.useRealTimers())

/** A script that reads and never ends of itself. */
function script() {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()]
  let said = ''
  stdin.setEncoding('utf8').on('data', (text: string) => (said += text))
  let end: (result: ExitResult) => void = () => {}
  const exit = new Promise<ExitResult>((resolve) => (end = resolve))
  return { process: { stdin, stdout, exit, kill: () => {} }, said: () => said, end }
}

test('a lease beats as long as the script runs, never as rarely as the script gives up', async () => {
  vi.useFakeTimers()
  const { process, said, end } = script()
  const lease = openLease(process, ['first'])
  await vi.advanceTimersByTimeAsync(0)
  expect(said()).toBe('first\nbeat\n')
  // Longer than any script waits, many times over.
  for (let waited = 0; waited < 20; waited += 1) {
    const before = said().length
    await vi.advanceTimersByTimeAsync((SILENCE_LIMIT / 3) * 1000)
    expect(said().slice(before)).toMatch(/^(beat\n)+$/)
  }
  end({ status: 0, stderr: '' })
  await vi.advanceTimersByTimeAsync(0)
  const after = said().length
  await vi.advanceTimersByTimeAsync(SILENCE_LIMIT * 1000)
  expect(said()).toHaveLength(after)
  await lease.release()
})
