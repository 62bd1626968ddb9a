import { expect, test } from 'vitest'
import { RelayError } from '../../../src/errors.ts'
import { tellHosts } from '../../../src/runs/tell-hosts.ts'
import type { ProgressEvent } from '../../../src/report/contract.ts'

const broken = new RelayError('broken', 'it broke')

async function events(work: () => Promise<string | RelayError>): Promise<string[]> {
  const told: ProgressEvent[] = []
  const reporter = { event: (event: ProgressEvent) => void told.push(event) }
  await tellHosts(['a', 'b'], { reporter }, (end) => end, work).catch((error: unknown) => {
    expect(error).toBe(broken)
  })
  return told.map((event) => `${event.type} ${'host' in event ? event.host : ''}`)
}

const started = ['host-started a', 'host-started b']

test('a host that was started is told as finished or failed, whether work throws or reports', async () => {
  expect(await events(() => Promise.resolve('done'))).toEqual([
    ...started,
    'host-finished a',
    'host-finished b',
  ])
  const failed = [...started, 'host-failed a', 'host-failed b']
  expect(await events(() => Promise.resolve(broken))).toEqual(failed)
  expect(await events(() => Promise.reject(broken))).toEqual(failed)
})
