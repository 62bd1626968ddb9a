import { expect, test } from 'vitest'
import { InterruptedError } from '../../../src/errors.ts'
import type { QuiesceConfig, SourceConfig } from '../../../src/model/config.ts'
import { groupByQuiesce, whileQuiesced } from '../../../src/pull/quiesce.ts'
import type { Visit } from '../../../src/runs/visit.ts'
import type { Lease, RemoteHost } from '../../../src/remote/contract.ts'

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

/** A capture while a unit is stopped, by a script whose answers are these lines. */
async function quiesced(parts: {
  readonly resume?: readonly string[]
  readonly capture?: () => Promise<void>
}) {
  const log: string[] = []
  const answers: string[] = []
  const lease: Lease = {
    send: (command) => {
      log.push(command)
      answers.push(...(command === 'stop' ? ['ok\tstop\tapp'] : (parts.resume ?? ['ok\tresume'])))
    },
    nextLine: () => Promise.resolve(answers.shift()),
    release: () => Promise.resolve({ status: 0, signal: undefined, stderr: '' }),
    [Symbol.asyncDispose]: async () => void log.push('disposed'),
  }
  const place = {
    host: { name: 'prod', services: { manager: 'systemd', data: [], stop: [] }, sudo: false } as never,
    remote: { name: 'prod', lease: () => Promise.resolve(lease) } as unknown as RemoteHost,
    probe: { access: 'shell', deployment: '/d' },
    deployment: '/d',
    signal: new AbortController().signal,
  } as unknown as Visit
  const result = await whileQuiesced(
    place,
    STOP,
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
  expect(log).toEqual(['stop', 'captured', 'disposed'])
})

test('what was captured stays good when a service is ill, or does not run, behind it', async () => {
  const ill = await quiesced({ resume: ['ill\tapp is unhealthy', 'ok\tresume'] })
  expect(ill.result).toMatchObject([
    { outcome: 'warning', message: expect.stringContaining('app is unhealthy') },
  ])
  const down = await quiesced({ resume: ['failed\tresume\tapp did not start'] })
  expect(down.result).toMatchObject([
    { outcome: 'failed', message: expect.stringContaining('app did not start') },
  ])
  expect(down.log).toEqual(['stop', 'captured', 'resume', 'disposed'])
})
