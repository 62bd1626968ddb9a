import { expect, test } from 'vitest'
import { InterruptedError, RemoteError } from '../../../src/errors.ts'
import type { HostConfig, QuiesceConfig, SourceConfig } from '../../../src/model/config.ts'
import { groupByQuiesce, whileQuiesced } from '../../../src/pull/quiesce.ts'
import type { Visit } from '../../../src/runs/visit.ts'
import type { QuiescedServices } from '../../../src/services/contract.ts'

const STOP: QuiesceConfig = { how: 'stop', services: ['app'] }
const PAUSE: QuiesceConfig = { how: 'pause', services: ['app'] }
const source = (name: string, quiesce?: QuiesceConfig): SourceConfig => ({
  name,
  kind: 'files',
  paths: [name],
  exclude: [],
  quiesce,
})

test('sources beside each other that need the same quiesce, or none, go together', () => {
  const groups = groupByQuiesce([
    source('a', STOP),
    source('b', { ...STOP }),
    source('c'),
    source('d'),
    source('e', STOP),
    source('f', PAUSE),
  ])
  expect(groups.map((group) => group.sources.map(({ name }) => name).join())).toEqual([
    'a,b',
    'c,d',
    'e',
    'f',
  ])
})

/** Holds, with what the capture does and what the services do behind it. */
async function quiesced(parts: {
  readonly resume?: QuiescedServices['resume']
  readonly capture?: () => Promise<void>
}) {
  const log: string[] = []
  const controller = new AbortController()
  const place = {
    host: { name: 'prod' } as HostConfig,
    remote: {},
    probe: { access: 'shell', deployment: '/d' },
    deployment: '/d',
    signal: controller.signal,
  } as Visit
  const quiesceServices = async (): Promise<QuiescedServices> => {
    log.push('quiesced')
    return {
      names: ['app'],
      resume: async (signal) => {
        log.push('resume')
        return (await parts.resume?.(signal)) ?? { unwell: undefined }
      },
      [Symbol.asyncDispose]: async () => void log.push('disposed'),
    }
  }
  const result = await whileQuiesced(
    place,
    STOP,
    { quiesceServices },
    () => undefined,
    async () => {
      log.push('captured')
      await parts.capture?.()
    },
  ).catch((error: unknown) => error)
  return { log, result }
}

test('services run again behind a capture that failed', async () => {
  const failure = new InterruptedError()
  const { log, result } = await quiesced({ capture: () => Promise.reject(failure) })
  expect(result).toBe(failure)
  expect(log).toEqual(['quiesced', 'captured', 'disposed'])
})

test('what was captured stays good when a service is ill, or does not run, behind it', async () => {
  const ill = await quiesced({ resume: async () => ({ unwell: 'app is unhealthy' }) })
  expect(ill.result).toMatchObject([
    { outcome: 'warning', message: expect.stringContaining('app is unhealthy') },
  ])
  const down = await quiesced({
    resume: () => Promise.reject(new RemoteError('hold-resume', 'app did not start')),
  })
  expect(down.result).toMatchObject([{ outcome: 'failed', message: 'app did not start' }])
  expect(down.log).toEqual(['quiesced', 'captured', 'resume', 'disposed'])
})
