import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createCompress } from '../../../src/archive/compression.ts'
import type { TarEntry } from '../../../src/archive/contract.ts'
import { END_OF_ARCHIVE } from '../../../src/archive/tar-header.ts'
import { TarReader } from '../../../src/archive/tar-reader.ts'
import { encodeTarHeader, tarPadding } from '../../../src/archive/tar-writer.ts'
import { DamageError } from '../../../src/errors.ts'
import type { Compression } from '../../../src/model/snapshot.ts'

export interface ReadMember {
  readonly entry: TarEntry
  readonly offset: number
  readonly content: Buffer
}

/** Reads a whole tar that comes in these chunks. */
export function readMembers(
  chunks: Iterable<Buffer>,
  options: { readonly concatenated?: boolean } = {},
): ReadMember[] {
  const members: ReadMember[] = []
  let content: Buffer[] = []
  const reader = new TarReader(
    {
      entry: (entry, offset) => members.push({ entry, offset, content: Buffer.alloc(0) }),
      content: (chunk) => content.push(Buffer.from(chunk)),
      endEntry: () => {
        const last = members.pop()
        if (last) members.push({ ...last, content: Buffer.concat(content) })
        content = []
      },
    },
    options,
  )
  for (const chunk of chunks) reader.write(chunk)
  reader.end()
  return members
}

export function tarEntry(path: string | Buffer, more: Partial<TarEntry> = {}): TarEntry {
  return {
    path: Buffer.from(path),
    type: 'file',
    mode: 0o644,
    uid: 1000,
    gid: 1000,
    uname: 'app',
    gname: 'app',
    size: 0,
    mtimeNs: 1_700_000_000_000_000_000n,
    ...more,
  }
}

/** A member as it stands in a tar. */
export function member(
  path: string | Buffer,
  content: string | Buffer = '',
  more: Partial<TarEntry> = {},
): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([
    encodeTarHeader(tarEntry(path, { size: bytes.length, ...more })),
    bytes,
    tarPadding(bytes.length),
  ])
}

export function tarOf(...members: Buffer[]): Buffer {
  return Buffer.concat([...members, END_OF_ARCHIVE])
}

/** A header block with some bytes replaced and its checksum made right again. */
export function patched(block: Buffer, ...patches: [offset: number, bytes: string | Buffer][]): Buffer {
  const header = Buffer.from(block)
  for (const [offset, bytes] of patches) Buffer.from(bytes as string, 'latin1').copy(header, offset)
  header.fill(' ', 148, 156)
  const sum = header.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

export function chunked(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  )
}

export function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
  return copy
}

export async function compressed(compression: Compression, ...parts: Buffer[]): Promise<Buffer> {
  const frames = parts.map((part) => buffer(Readable.from([part]).pipe(createCompress(compression))))
  return Buffer.concat(await Promise.all(frames))
}

/** The code of the DamageError this throws; anything else fails the test. */
export function damageOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof DamageError) return error.code
    throw error
  }
  return 'nothing thrown'
}

export async function damageOfAsync(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    if (error instanceof DamageError) return error.code
    throw error
  }
  return 'nothing thrown'
}
