import { PassThrough, Readable, Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { ConnectionError, VaultError } from '../../../src/errors.ts'
import type { HostConfig, SourceConfig } from '../../../src/model/config.ts'
import { captureSources } from '../../../src/pull/capture-sources.ts'
import type { PullDependencies } from '../../../src/pull/dependencies.ts'
import type { HostProbe, RemoteHost } from '../../../src/remote/contract.ts'
import type { Capture } from '../../../src/sources/contract.ts'
import type { PendingFile, PendingSnapshot } from '../../../src/vault/contract.ts'

const NAMES = ['a', 'b', 'c']

/** What a source does when it is captured. */
interface Acts {
  /** While it is looked at. */
  readonly begin?: (name: string) => Promise<void>
  /** While its archive is on its way. */
  readonly stream?: (name: string) => Promise<void>
}

async function captured(acts: Acts) {
  const events: string[] = []
  const sources = NAMES.map((name): SourceConfig => ({ name, kind: 'files', paths: [name], exclude: [] }))
  const captureOf = (name: string): Capture => ({
    archives: async function* () {
      await Promise.resolve()
      yield {
        part: '',
        format: 'stream',
        input: { stream: Readable.from([]), format: 'stream', wire: 'none', store: 'none' },
        observer: {},
        finish: () => Promise.resolve(),
        abort: () => {},
      }
      events.push(`${name} ends`)
    },
    finish: () =>
      Promise.resolve({
        facts: {},
        warnings: [],
        amendments: new Map(),
        absolutePrefixes: [],
        roots: [],
      } as never),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  })
  const dependencies = {
    reporter: {
      event: ({ type, source }: { type: string; source?: string }) => {
        if (type === 'source-failed') events.push(`${source} failed`)
      },
    },
    encryptor: { recipients: [], encrypt: () => Promise.resolve(new PassThrough()) },
    throttle: (stream: Readable) => stream,
    now: () => new Date(0),
    createIndexBuilder: () =>
      Promise.resolve({ add: () => {}, [Symbol.asyncDispose]: () => Promise.resolve() }),
    writeArchive: async ({ stream }: { stream: Readable }, _options: unknown) => {
      stream.resume()
      const name = streaming.shift() ?? ''
      events.push(`${name} begins`)
      await acts.stream?.(name)
      return { bytes: 0, plainBytes: 0, wireBytes: 0, entries: 0, sha256: '' }
    },
    sourceOf: () =>
      Promise.resolve({
        kind: 'files',
        capture: async (_context: unknown, { name }: SourceConfig) => {
          await acts.begin?.(name)
          const capture = captureOf(name)
          return {
            ...capture,
            archives: () => {
              streaming.push(name)
              return capture.archives()
            },
          }
        },
      }),
  } as unknown as PullDependencies
  const streaming: string[] = []
  const pending = {
    id: 's',
    createFile: (name: string): Promise<PendingFile> =>
      Promise.resolve({
        name,
        stream: new Writable(),
        finish: () => Promise.resolve({ bytes: 0 }),
        discard: () => Promise.resolve(),
      } as unknown as PendingFile),
    scratchPath: (name: string) => name,
  } as unknown as PendingSnapshot
  const result = captureSources(
    {
      host: {
        name: 'prod',
        compression: { kind: 'auto' },
        services: { manager: 'none' },
      } as unknown as HostConfig,
      remote: {} as RemoteHost,
      probe: { access: 'shell', deployment: '/app', uid: 0, versions: {} } as HostProbe,
      pending,
      signal: new AbortController().signal,
    },
    sources,
    { chaining: { chained: false }, keep: () => {} },
    dependencies,
  )
  return { events, result }
}

test('sources are looked at side by side, sent one after another, and told in their order', async () => {
  const looked = new Set<string>()
  let all = () => {}
  const everyone = new Promise<void>((resolve) => (all = resolve))
  const { events, result } = await captured({
    begin: async (name) => {
      looked.add(name)
      if (looked.size === NAMES.length) all()
      await everyone
      // The last is ready first.
      for (let turn = NAMES.length - NAMES.indexOf(name); turn < 3; turn += 1)
        await new Promise((resolve) => setImmediate(resolve))
    },
    stream: () => new Promise((resolve) => setTimeout(resolve, 5)),
  })
  const { manifests, reports } = await result
  expect(manifests.map(({ name }) => name)).toEqual(NAMES)
  expect(reports.map(({ source }) => source)).toEqual(NAMES)
  for (let at = 0; at < events.length; at += 2)
    expect(events[at + 1]).toBe(events[at]?.replace('begins', 'ends'))
  expect(events).toHaveLength(2 * NAMES.length)
})

test('a lost connection fails every source, each once', async () => {
  const { events, result } = await captured({
    stream: () => Promise.reject(new ConnectionError('lost', 'The connection was lost')),
  })
  const { manifests, reports } = await result
  expect(manifests).toEqual([])
  expect(reports.map(({ source, outcome }) => `${source} ${outcome}`)).toEqual(
    NAMES.map((name) => `${name} failed`),
  )
  expect(events.filter((event) => event.endsWith('failed')).sort()).toEqual(
    NAMES.map((name) => `${name} failed`),
  )
})

test('a vault that fails ends the others and is thrown when they have ended', async () => {
  let ended = 0
  const { result } = await captured({
    stream: () => {
      ended += 1
      return Promise.reject(new VaultError('disk-full', 'No space is left'))
    },
  })
  await expect(result).rejects.toMatchObject({ code: 'disk-full' })
  expect(ended).toBeLessThan(NAMES.length)
})
