import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { ConnectionError, SourceError, VaultError } from '../../src/errors.ts'
import type { FilesSourceConfig } from '../../src/model/config.ts'
import { captureSources, type CapturedSources } from '../../src/pull/capture-sources.ts'
import type { CapturableSource, Capture } from '../../src/sources/contract.ts'
import { filesSource } from '../../src/sources/files/index.ts'
import { IncrementalLab, signal } from './incremental-lab.ts'

const NAMES = ['a', 'b', 'c']

/** What happens to a source beside its capture. */
interface Acts {
  /** While it is looked at. */
  readonly begin?: (name: string) => Promise<void>
  /** Before the first byte of its archive comes. */
  readonly stream?: (name: string) => Promise<void>
}

/** The real source of files, watched. */
function watched(acts: Acts, events: string[]): CapturableSource<FilesSourceConfig> {
  const held = async function* (stream: Readable, name: string): AsyncGenerator<Buffer> {
    events.push(`${name} begins`)
    await acts.stream?.(name)
    yield* stream as AsyncIterable<Buffer>
  }
  return {
    kind: 'files',
    look: filesSource.look,
    capture: async (context, config) => {
      await acts.begin?.(config.name)
      const capture = await filesSource.capture(context, config)
      const archives = async function* (): ReturnType<Capture['archives']> {
        for await (const archive of capture.archives()) {
          const stream = Readable.from(held(archive.input.stream, config.name), { objectMode: false })
          yield { ...archive, input: { ...archive.input, stream } }
          events.push(`${config.name} ends`)
        }
      }
      return {
        archives,
        finish: () => capture.finish(),
        [Symbol.asyncDispose]: () => capture[Symbol.asyncDispose](),
      }
    },
  }
}

/** Captures three directories of this machine into a real vault's pending snapshot, and commits nothing. */
async function captured(
  acts: Acts,
  names: readonly string[] = NAMES,
): Promise<{
  readonly events: string[]
  readonly result: PromiseSettledResult<CapturedSources>
  readonly archives: readonly string[]
}> {
  await using lab = await IncrementalLab.start()
  for (const name of names) {
    await mkdir(join(lab.app, name))
    await writeFile(join(lab.app, name, 'file'), name)
  }
  lab.sources = names.map((name) => ({ kind: 'files' as const, name, paths: [name], exclude: [] }))
  const events: string[] = []
  await using remote = lab.remote()
  await using lock = await lab.vault.lock('prod')
  await using pending = await lab.vault.begin(lock, lab.now, signal)
  const archives: string[] = []
  const [result] = await Promise.allSettled([
    captureSources(
      { ...lab.visit(remote), pending },
      lab.sources,
      { chaining: { chained: false }, keep: () => {} },
      {
        ...lab.dependencies(),
        sourceOf: () => Promise.resolve(watched(acts, events) as CapturableSource),
        reporter: {
          event: (event) => {
            if (event.type === 'source-failed') events.push(`${event.source} failed`)
            if (event.type === 'archive-finished') archives.push(event.archive)
          },
        },
      },
    ),
  ])
  return { events, result, archives }
}

class Gate {
  open = (): void => {}
  readonly opened = new Promise<void>((resolve) => (this.open = resolve))
}

test('sources are looked at side by side, sent one after another, and told in their order', async () => {
  const looked = new Set<string>()
  const ready = new Map(NAMES.map((name) => [name, new Gate()]))
  const { events, result, archives } = await captured({
    begin: async (name) => {
      looked.add(name)
      // Nobody goes on before all of them are looked at, and then the last goes first.
      if (looked.size === NAMES.length) ready.get(NAMES.at(-1) ?? '')?.open()
      await ready.get(name)?.opened
    },
    stream: (name) => {
      ready.get(NAMES[NAMES.indexOf(name) - 1] ?? '')?.open()
      return new Promise((resolve) => setImmediate(resolve))
    },
  })
  if (result.status === 'rejected') throw result.reason
  const { manifests, reports, findings } = result.value
  expect(events).toEqual(['c begins', 'c ends', 'b begins', 'b ends', 'a begins', 'a ends'])
  expect(manifests.map(({ name }) => name)).toEqual(NAMES)
  expect(reports.map(({ source, outcome }) => [source, outcome])).toEqual(NAMES.map((name) => [name, 'done']))
  expect(findings).toEqual([])
  expect(manifests.map(({ entries, facts }) => [entries, facts])).toEqual(
    NAMES.map(() => [2, expect.objectContaining({ files: 1, directories: 1, bytes: 1 })]),
  )
  expect(archives.toSorted()).toEqual(NAMES.map((name) => `${name}.tar.zst.gpg`))
})

test('a source that fails is told, and the others come through', async () => {
  const { events, result } = await captured({
    begin: (name) =>
      name === 'b' ? Promise.reject(new SourceError('unreadable', 'It can not be read')) : Promise.resolve(),
  })
  if (result.status === 'rejected') throw result.reason
  expect(result.value.manifests.map(({ name }) => name)).toEqual(['a', 'c'])
  expect(result.value.reports.map(({ source, outcome }) => [source, outcome])).toEqual([
    ['a', 'done'],
    ['b', 'failed'],
    ['c', 'done'],
  ])
  expect(events.filter((event) => event.endsWith('failed'))).toEqual(['b failed'])
})

test.each([
  ['as many as are looked at at once', NAMES],
  ['more than are looked at at once', [...NAMES, 'd', 'e', 'f', 'g', 'h']],
])('a lost connection fails every source, each once: %s', async (_how, names) => {
  const { events, result } = await captured(
    { stream: () => Promise.reject(new ConnectionError('lost', 'The connection was lost')) },
    names,
  )
  if (result.status === 'rejected') throw result.reason
  const { manifests, reports } = result.value
  expect(manifests).toEqual([])
  expect(reports.map(({ source, outcome }) => `${source} ${outcome}`)).toEqual(
    names.map((name) => `${name} failed`),
  )
  // The others were not begun, and are told in the report alone.
  const told = events.filter((event) => event.endsWith('failed')).sort()
  expect(told).toEqual(names.slice(0, told.length).map((name) => `${name} failed`))
  expect(told.length).toBeGreaterThan(0)
})

test('a vault that fails ends the others and is thrown when they have ended', async () => {
  const { events, result } = await captured({
    stream: () => Promise.reject(new VaultError('disk-full', 'No space is left')),
  })
  expect(result).toMatchObject({ status: 'rejected', reason: { code: 'disk-full' } })
  expect(events.filter((event) => event.endsWith('begins'))).toHaveLength(1)
  expect(events.filter((event) => event.endsWith('ends'))).toEqual([])
})
