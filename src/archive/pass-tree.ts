import { once } from 'node:events'
import { Readable } from 'node:stream'
import type { Transform } from 'node:stream'
import { DamageError } from '../errors.ts'
import { pathFromJson, printable } from '../model/path-bytes.ts'
import { createDecompress } from './compression.ts'
import type { AssembledTree, EntryType, IndexEntry, PassTree, StoredTree, TarEntry } from './contract.ts'
import { MemberGuard } from './member-guard.ts'
import { NameTable } from './name-table.ts'
import { pump } from './pump.ts'
import { archiveLacks } from './tails.ts'
import type { TarHandler } from './tar-reader.ts'
import { TarReader } from './tar-reader.ts'
import { tooLong } from './walk-tar.ts'
import { isLongZeros } from './zeros.ts'

/** What an index says of a member. {@link MET} is added once the archive had the member. */
const TYPES: Readonly<Record<EntryType, number>> = {
  file: 1,
  directory: 2,
  symlink: 3,
  hardlink: 4,
  fifo: 5,
  'character-device': 6,
  'block-device': 7,
}
const MET = 8

/** See {@link PassTree}. */
export const passTree: PassTree = async (parts) => {
  const members = new NameTable()
  for await (const entry of parts.entries()) {
    if (entry === undefined || !isWholeMember(entry, parts)) return undefined
    members.set(pathFromJson(entry.path), TYPES[entry.type])
  }
  return new Passing(parts, members)
}

function isWholeMember({ type, path, segments = [] }: IndexEntry, { name, rename }: StoredTree): boolean {
  const member = pathFromJson(path)
  if (rename(member) === undefined) return false
  if (type !== 'file') return true
  const [only, ...more] = segments
  return (
    only !== undefined &&
    more.length === 0 &&
    only.snapshot === name.snapshot &&
    only.archive === name.archive &&
    only.offset === 0 &&
    pathFromJson(only.member).equals(member)
  )
}

class Passing implements AssembledTree {
  readonly stream: Readable
  readonly totals = { entries: 0, bytes: 0 }
  readonly joined: ReadonlyMap<string, string> = new Map()
  readonly zeros: Buffer[] = []
  readonly directories = undefined

  /** `members` is dropped with the stream: it takes most of the memory, and the totals live longer. */
  constructor(parts: StoredTree, members: NameTable) {
    this.stream = Readable.from(this.#pieces(parts, members), {
      objectMode: false,
      highWaterMark: 1024 * 1024,
    })
  }

  /**
   * A piece leaves when its decompressed bytes were looked at; the last one leaves when the whole archive was whole.
   */
  async *#pieces(parts: StoredTree, members: NameTable): AsyncGenerator<Buffer> {
    const { open, compression, plainBytes, name } = parts
    const reader = new TarReader(this.#watching(parts, members))
    const decompress = createDecompress(compression)
    const walked = pump(
      decompress,
      (chunk) => {
        if (reader.offset + chunk.length > plainBytes) throw tooLong(plainBytes)
        reader.write(chunk)
        return undefined
      },
      async () => reader.end(),
    )
    // The next write, or `walked` at the end, reports what is wrong with the archive.
    walked.catch((error: Error) => decompress.destroy(error))
    try {
      let held: Buffer | undefined
      for await (const piece of (await open()) as AsyncIterable<Buffer>) {
        if (held !== undefined) yield held
        await eaten(decompress, piece).catch(() => walked)
        held = piece
      }
      decompress.end()
      await walked
      const missing = members.size - this.totals.entries
      if (missing > 0) throw archiveLacks(name.snapshot, name.archive, missing)
      if (held !== undefined) yield held
    } finally {
      decompress.destroy()
    }
  }

  #watching({ rename, onFile }: StoredTree, members: NameTable): TarHandler {
    const guard = new MemberGuard()
    let solid: Buffer | undefined
    return {
      entry: (entry) => {
        guard.check(entry)
        meet(members, entry)
        const before = this.totals.entries
        this.totals.entries += 1
        solid = rename(entry.path)
        if (entry.type === 'file' && solid !== undefined) onFile({ name: solid, size: entry.size, before })
      },
      content: (chunk) => {
        this.totals.bytes += chunk.length
        if (solid === undefined || !isLongZeros(chunk)) return
        this.zeros.push(solid)
        solid = undefined
      },
      endEntry: () => undefined,
    }
  }
}

/** Throws DamageError for a member that the index does not have, or has as something else. */
function meet(members: NameTable, { path, type }: TarEntry): void {
  if (members.get(path) !== TYPES[type]) {
    throw new DamageError(
      'archive-differs',
      `${printable(path)} is not in the index the way it is in the archive`,
      { next: 'Restore another snapshot, and run: relay-backup verify --all' },
    )
  }
  members.set(path, TYPES[type] + MET)
}

/** Resolves when everything that a piece decompresses to has been given out. */
async function eaten(decompress: Transform, piece: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    decompress.write(piece, (error) => (error ? reject(error) : resolve()))
  })
  while (decompress.readableLength > 0 && !decompress.destroyed) await once(decompress, 'data')
}
