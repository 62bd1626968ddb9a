import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { PassThrough, Readable, Transform, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ArchiveInput, ArchiveObserver, ReadEntry } from '../../../src/archive/contract.ts'
import { writeArchive } from '../../../src/archive/write-archive.ts'
import type { Encryptor } from '../../../src/crypto/contract.ts'
import { InterruptedError, SourceError, VaultError } from '../../../src/errors.ts'
import { compressed, damageOfAsync, member, tarOf } from './support.ts'

const unhandled: unknown[] = []
const onUnhandled = (reason: unknown) => unhandled.push(reason)
beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', onUnhandled)
  process.on('uncaughtException', onUnhandled)
})
afterEach(async () => {
  for (let count = 0; count < 5; count += 1) await turn()
  process.off('unhandledRejection', onUnhandled)
  process.off('uncaughtException', onUnhandled)
  expect(unhandled).toEqual([])
})

const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')

const tar = tarOf(
  member('logs', '', { type: 'directory' }),
  member('logs/a', 'hello'),
  member('logs/big', Buffer.alloc(300_000, 'x')),
  member('logs/empty'),
)

/** Leaves everything as it is, so that a test can look at what would be encrypted. */
function passThrough(stream: () => Transform = () => new PassThrough()): Encryptor & { made: Transform[] } {
  const made: Transform[] = []
  return {
    recipients: [],
    made,
    encrypt: () => {
      const transform = stream()
      made.push(transform)
      return Promise.resolve({ stream: transform, headBytes: 0 })
    },
  }
}

class Collector extends Writable {
  readonly chunks: Buffer[] = []

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.chunks.push(chunk)
    done()
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }
}

function run(
  input: Partial<ArchiveInput> & { stream: Readable },
  options: { observer?: ArchiveObserver; sink?: Writable; encryptor?: Encryptor; signal?: AbortSignal } = {},
) {
  return writeArchive(
    { format: 'tar', wire: 'none', store: 'none', ...input },
    {
      encryptor: options.encryptor ?? passThrough(),
      sink: { stream: options.sink ?? new Collector() },
      observer: options.observer ?? {},
      signal: options.signal ?? new AbortController().signal,
    },
  )
}

/** An input that has given some bytes and waits. */
function stalled(...chunks: Buffer[]): Readable {
  const stream = new Readable({ read: () => {} })
  for (const chunk of chunks) stream.push(chunk)
  return stream
}

describe('an archive that is whole', () => {
  test.each(['none', 'zstd', 'gzip'] as const)(
    'compressed by the server (%s) is stored as it came',
    async (wire) => {
      const bytes = wire === 'none' ? tar : await compressed(wire, tar)
      const sink = new Collector()
      const entries: ReadEntry[] = []
      const result = await run(
        { stream: Readable.from([bytes]), wire, store: wire },
        { sink, observer: { entry: (entry) => entries.push(entry) } },
      )
      expect(sink.bytes.equals(bytes)).toBe(true)
      expect(result).toEqual({
        bytes: bytes.length,
        wireBytes: bytes.length,
        plainBytes: tar.length,
        sha256: sha256(bytes),
        body: { offset: 0, bytes: bytes.length, sha256: sha256(bytes) },
        entries: 4,
      })
      expect(entries.map(({ path, sha256: hash }) => [path.toString(), hash])).toEqual([
        ['logs', undefined],
        ['logs/a', sha256('hello')],
        ['logs/big', sha256(Buffer.alloc(300_000, 'x'))],
        ['logs/empty', sha256('')],
      ])
      for (const { contentOffset, size, sha256: hash } of entries) {
        if (hash) expect(sha256(tar.subarray(contentOffset, contentOffset + size))).toBe(hash)
      }
    },
  )

  test.each(['zstd', 'gzip'] as const)('is compressed here (%s) and read back from that', async (store) => {
    const sink = new Collector()
    const result = await run({ stream: Readable.from([tar]), store }, { sink })
    expect(result).toMatchObject({ wireBytes: tar.length, plainBytes: tar.length, entries: 4 })
    expect(result.bytes).toBeLessThan(tar.length / 10)
    const again = await run({ stream: Readable.from([sink.bytes]), wire: store, store })
    expect(again).toMatchObject({ bytes: result.bytes, sha256: result.sha256, plainBytes: tar.length })
  })

  test('may come as several tars, which are joined', async () => {
    const sink = new Collector()
    const stream = Readable.from([tar, tarOf(member('more', 'x'))])
    const result = await run({ stream, concatenated: true }, { sink })
    expect(result.entries).toBe(5)
    expect(sink.bytes.equals(Buffer.concat([tar.subarray(0, -1024), tarOf(member('more', 'x'))]))).toBe(true)
  })

  test('that is a stream goes to the observer whole', async () => {
    const content = new Collector()
    const bytes = await compressed('zstd', Buffer.from('dump'))
    const result = await run(
      { stream: Readable.from([bytes]), format: 'stream', wire: 'zstd', store: 'zstd' },
      {
        observer: {
          content: { write: (chunk) => content.write(Buffer.from(chunk)), end: () => content.end() },
        },
      },
    )
    expect(result).toMatchObject({ plainBytes: 4, entries: 0 })
    expect(content.bytes.toString()).toBe('dump')
    expect(content.writableEnded).toBe(true)
  })

  test('shows the content of the files that are asked for', async () => {
    const seen: string[] = []
    await run(
      { stream: Readable.from([tar.subarray(0, 1500), tar.subarray(1500)]) },
      {
        observer: {
          tap: (entry) =>
            entry.path.toString() === 'logs/a'
              ? { write: (chunk) => seen.push(chunk.toString()), end: () => seen.push('end') }
              : undefined,
        },
      },
    )
    expect(seen).toEqual(['hello', 'end'])
  })

  test('tells how far it is, the last time with the totals', async () => {
    const progress: object[] = []
    await writeArchive(
      { stream: Readable.from([tar]), format: 'tar', wire: 'none', store: 'none' },
      {
        encryptor: passThrough(),
        sink: { stream: new Collector() },
        onProgress: (totals) => progress.push(totals),
        signal: new AbortController().signal,
      },
    )
    expect(progress.at(-1)).toEqual({ wireBytes: tar.length, plainBytes: tar.length })
  })
})

test('a slow sink holds the input back', async () => {
  let produced = 0
  const stream = new Readable({
    read() {
      produced += 1
      this.push(produced > 2000 ? null : Buffer.alloc(64 * 1024))
    },
  })
  const sink = new Writable({ write: () => {} })
  const abort = new AbortController()
  const running = run({ stream, format: 'stream' }, { sink, signal: abort.signal })
  for (let count = 0; count < 500; count += 1) await turn()
  expect(produced).toBeLessThan(100)
  abort.abort()
  await expect(running).rejects.toBeInstanceOf(InterruptedError)
})

describe('a stage that fails ends all others, and its error alone is reported', () => {
  /** Everything that was given to the pipe was destroyed or has ended. */
  async function expectDown(...streams: (Readable | Writable)[]): Promise<void> {
    for (const stream of streams) {
      if (!stream.closed) await finished(stream).catch(() => {})
      expect(stream.destroyed).toBe(true)
    }
  }

  test('the input fails', async () => {
    const stream = stalled(tar.subarray(0, 2000))
    const sink = new Collector()
    const encryptor = passThrough()
    const lost = new SourceError('lost', 'the server is gone')
    setImmediate(() => stream.destroy(lost))
    await expect(run({ stream }, { sink, encryptor })).rejects.toBe(lost)
    await expectDown(stream, sink, ...encryptor.made)
  })

  test('the input has failed before', async () => {
    const lost = new SourceError('lost', 'the server is gone')
    const stream = stalled()
    stream.on('error', () => {})
    stream.destroy(lost)
    await turn()
    await expect(run({ stream })).rejects.toBe(lost)
  })

  test('the input is closed without a reason', async () => {
    const stream = stalled(tar.subarray(0, 2000))
    setImmediate(() => stream.destroy())
    expect(await damageOfAsync(run({ stream }))).toBe('input-closed')
  })

  test.each([
    ['none', 'tar-truncated'],
    ['zstd', 'zstd-truncated'],
    ['gzip', 'gzip-truncated'],
  ] as const)('the input (%s) is cut short', async (wire, code) => {
    const bytes = wire === 'none' ? tar : await compressed(wire, tar)
    const sink = new Collector()
    const stream = Readable.from([bytes.subarray(0, -1)])
    expect(await damageOfAsync(run({ stream, wire, store: wire }, { sink }))).toBe(code)
    await expectDown(stream, sink)
  })

  test('damage is found while the server still sends, with a next step', async () => {
    const stream = stalled(Buffer.alloc(1024, 'garbage'))
    const sink = new Collector()
    await expect(run({ stream }, { sink })).rejects.toMatchObject({
      code: 'tar-header-checksum',
      details: { next: expect.stringContaining('Run the pull again') as string },
    })
    await expectDown(stream, sink)
  })

  test.each(['entry', 'tap', 'content'] as const)("the observer's %s throws", async (method) => {
    const mine = new SourceError('mine', 'not what I want')
    const fail = () => {
      throw mine
    }
    const observer = method === 'content' ? { content: { write: fail, end: () => {} } } : { [method]: fail }
    const stream = stalled(tar)
    const sink = new Collector()
    const format = method === 'content' ? 'stream' : 'tar'
    await expect(run({ stream, format }, { sink, observer })).rejects.toBe(mine)
    await expectDown(stream, sink)
  })

  test('the encryptor can not be made', async () => {
    const stream = stalled(tar)
    const sink = new Collector()
    const mine = new Error('no key')
    const encryptor = { recipients: [], encrypt: () => Promise.reject(mine) }
    await expect(run({ stream }, { sink, encryptor })).rejects.toBe(mine)
    await expectDown(stream, sink)
  })

  test('the encryptor comes too late', async () => {
    let made: Transform | undefined
    const abort = new AbortController()
    const encryptor = {
      recipients: [],
      encrypt: async () => {
        await turn()
        await turn()
        made = new PassThrough()
        return { stream: made, headBytes: 0 }
      },
    }
    setImmediate(() => abort.abort())
    await expect(run({ stream: stalled(tar) }, { encryptor, signal: abort.signal })).rejects.toBeInstanceOf(
      InterruptedError,
    )
    for (let count = 0; count < 5; count += 1) await turn()
    expect(made?.destroyed).toBe(true)
  })

  test.each(['transform', 'flush'] as const)('the encryptor fails in %s', async (method) => {
    const mine = new Error('broken')
    const encryptor = passThrough(
      () =>
        new Transform({
          transform: (chunk: Buffer, _encoding, done) =>
            method === 'transform' ? done(mine) : done(null, chunk),
          flush: (done) => done(method === 'flush' ? mine : null),
        }),
    )
    const stream = method === 'flush' ? Readable.from([tar]) : stalled(tar)
    const sink = new Collector()
    await expect(run({ stream }, { sink, encryptor })).rejects.toBe(mine)
    await expectDown(stream, sink, ...encryptor.made)
  })

  test('the disk is full', async () => {
    const stream = stalled(tar)
    const sink = createWriteStream('/dev/full')
    const error: unknown = await run({ stream }, { sink }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(VaultError)
    expect(error).toMatchObject({
      code: 'disk-full',
      details: { next: expect.stringContaining('relay-backup prune') as string },
    })
    await expectDown(stream, sink)
  })

  test('the sink is closed', async () => {
    const stream = stalled(tar)
    const sink = new Collector()
    setImmediate(() => sink.destroy())
    await expect(run({ stream }, { sink })).rejects.toMatchObject({ code: 'vault-write' })
    await expectDown(stream)
  })

  test('it is aborted midway', async () => {
    const abort = new AbortController()
    const stream = stalled(tar.subarray(0, 100_000))
    const sink = new Collector()
    const encryptor = passThrough()
    setImmediate(() => abort.abort())
    await expect(
      run({ stream, store: 'zstd' }, { sink, encryptor, signal: abort.signal }),
    ).rejects.toBeInstanceOf(InterruptedError)
    await expectDown(stream, sink, ...encryptor.made)
  })

  test('it was aborted before, for a reason of our own', async () => {
    const reason = new SourceError('other', 'another host failed')
    const stream = stalled(tar)
    const sink = new Collector()
    await expect(run({ stream }, { sink, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    await expectDown(stream, sink)
  })
})
