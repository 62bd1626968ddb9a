import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createZstdDecompress } from 'node:zlib'
import type { TarEntry } from '../../../../src/archive/contract.ts'
import { createRecordSorter } from '../../../../src/archive/record-sorter.ts'
import { createTarJoin } from '../../../../src/archive/tar-join.ts'
import { TarReader } from '../../../../src/archive/tar-reader.ts'
import type { Notice } from '../../../../src/report/contract.ts'
import type {
  Capture,
  CaptureArchive,
  CaptureContext,
  CaptureOutcome,
} from '../../../../src/sources/contract.ts'
import type { FilesSourceConfig } from '../../../../src/sources/files/config.ts'
import { captureFiles } from '../../../../src/sources/files/capture.ts'

export interface Drained {
  readonly outcome: CaptureOutcome
  readonly notices: readonly Omit<Notice, 'host' | 'source'>[]
  /** The plain tar of each part, in order. */
  readonly tars: readonly string[]
  readonly parts: readonly string[]
  /** Members of each part, latin1. */
  readonly members: readonly (readonly string[])[]
}

export function filesConfig(paths: readonly string[], exclude: readonly string[] = []): FilesSourceConfig {
  return { kind: 'files', name: 'files', paths, exclude }
}

/** Captures into `folder` as a pull does, but for the encryption. `held` sees each archive before it is read. */
export function drain(
  context: Pick<CaptureContext, 'host' | 'probe'> & Partial<CaptureContext>,
  config: FilesSourceConfig,
  folder: string,
  held?: (archive: CaptureArchive) => Promise<void>,
): Promise<Drained> {
  const createSorter = <T>() => createRecordSorter<T>(join(folder, 'sorting'))
  return drainCapture((whole) => captureFiles({ ...whole, createSorter }, config), context, folder, held)
}

/** The same for a capture that is begun in another way. */
export async function drainCapture(
  begin: (context: CaptureContext) => Promise<Capture>,
  context: Pick<CaptureContext, 'host' | 'probe'> & Partial<CaptureContext>,
  folder: string,
  held: (archive: CaptureArchive) => Promise<void> = async () => {},
): Promise<Drained> {
  const notices: Omit<Notice, 'host' | 'source'>[] = []
  const tars: string[] = []
  const parts: string[] = []
  const members: string[][] = []
  await using capture = await begin({
    privilege: undefined,
    compression: { kind: 'auto' },
    secret: () => Promise.reject(new Error('no secrets here')),
    findContainer: () => Promise.reject(new Error('no containers here')),
    step: () => {},
    notice: (notice) => notices.push(notice),
    signal: new AbortController().signal,
    ...context,
  })
  for await (const archive of capture.archives()) {
    const tar = join(folder, `part-${tars.length}.tar`)
    const names: string[] = []
    await held(archive)
    try {
      await store(archive, tar, names)
    } catch (error) {
      await archive.finish()
      throw error
    }
    await archive.finish()
    tars.push(tar)
    parts.push(archive.part)
    members.push(names)
  }
  return { outcome: await capture.finish(), notices, tars, parts, members }
}

async function store(archive: CaptureArchive, tar: string, names: string[]): Promise<void> {
  const { input, observer } = archive
  let current: { entry: TarEntry; offset: number } | undefined
  const reader = new TarReader({
    entry: (entry, offset) => {
      current = { entry, offset }
    },
    content: () => {},
    endEntry: () => {
      if (current === undefined) return
      names.push(current.entry.path.toString('latin1'))
      observer.entry?.({ ...current.entry, contentOffset: current.offset })
    },
  })
  const stages: NodeJS.ReadWriteStream[] = []
  if (input.wire === 'zstd') stages.push(createZstdDecompress())
  if (input.concatenated === true) stages.push(createTarJoin())
  const file = createWriteStream(tar)
  const watch = new Writable({
    write(chunk: Buffer, _encoding, done) {
      try {
        reader.write(chunk)
      } catch (error) {
        done(error as Error)
        return
      }
      if (file.write(chunk)) done()
      else file.once('drain', () => done())
    },
    final(done) {
      try {
        reader.end()
      } catch (error) {
        done(error as Error)
        return
      }
      file.end(done)
    },
  })
  await pipeline([input.stream, ...stages, watch] as unknown as [Readable, Writable])
}

/** Unpacks with the system's tar, all parts in order. */
export async function unpack(drained: Drained, into: string): Promise<void> {
  for (const tar of drained.tars) {
    await new Promise<void>((resolve, reject) => {
      const child = spawn(
        'tar',
        ['-x', '-p', '-f', tar, '-C', into, '--numeric-owner', '--xattrs', '--xattrs-include=*'],
        { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, LC_ALL: 'C' } },
      )
      let stderr = ''
      child.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk.toString()
      })
      child.once('error', reject)
      child.once('close', (code) =>
        code === 0 ? resolve() : reject(new Error(`tar -x ended with ${code}: ${stderr}`)),
      )
    })
  }
}
