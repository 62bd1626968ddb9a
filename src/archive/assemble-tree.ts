import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import type {
  AssembleTree,
  AssembledTree,
  IndexEntry,
  IndexSegment,
  TarEntry,
  TreeParts,
} from './contract.ts'
import { encodeGnuHeader } from './gnu-header.ts'
import { toTarEntry } from './index-entry.ts'
import { MemberGuard } from './member-guard.ts'
import { Tails, archiveLacks, segmentDiffers } from './tails.ts'
import { END_OF_ARCHIVE } from './tar-header.ts'
import type { TarHandler } from './tar-reader.ts'
import { encodeTarHeader, tarPadding } from './tar-writer.ts'
import { WantedContent } from './wanted-content.ts'
import type { WantedMembers } from './wanted-content.ts'
import { walkTar } from './walk-tar.ts'
import { isLongZeros } from './zeros.ts'

/**
 * Small pieces leave together, because a small piece costs the stream, and the thread that compresses it, as much as a
 * large one.
 */
const BATCH_BYTES = 256 * 1024

/** See {@link AssembleTree}. */
export const assembleTree: AssembleTree = (parts) => new Assembly(parts)

/** A file whose beginning is in the archive at hand, with the tails that follow it. */
interface Joining {
  readonly entry: IndexEntry
  readonly first: IndexSegment
  readonly tails: readonly IndexSegment[]
  /** Hashes of the beginning, and of all that came so far. */
  readonly begun: Hash
  readonly whole: Hash
}

/** A piece that a walk over an archive yields: bytes, or a file whose tails come next. */
type Piece = Buffer | Joining

class Assembly implements AssembledTree {
  readonly stream: Readable
  readonly totals = { entries: 0, bytes: 0 }
  readonly joined = new Map<string, string>()
  readonly zeros: Buffer[] = []
  directories: Buffer | undefined
  readonly #parts: TreeParts
  readonly #guard = new MemberGuard()
  readonly #encode: (entry: TarEntry) => Buffer
  readonly #directories: Buffer[] = []
  /** Small pieces that have not left yet. */
  #held: Buffer[] = []
  #heldBytes = 0

  constructor(parts: TreeParts) {
    this.#parts = parts
    this.#encode = parts.dialect === 'pax' ? encodeTarHeader : encodeGnuHeader
    this.stream = Readable.from(this.#pieces(), { objectMode: false, highWaterMark: 1024 * 1024 })
  }

  async *#pieces(): AsyncGenerator<Buffer> {
    const content = new WantedContent()
    let hasHardLinks = false
    // Symlinks before files: the guard then knows them all when it sees what could be written through them.
    for await (const entry of this.#parts.entries()) {
      if (entry.type === 'hardlink') hasHardLinks = true
      else if (entry.type === 'file' && entry.segments?.length !== 0) content.add(entry)
      else yield* this.#batched([this.#header(toTarEntry(entry))])
    }
    const archives = content.archives()
    await using tails = await Tails.gather(archives, this.#parts)
    for (const wanted of archives) yield* this.#contentsOf(wanted, tails)
    // Hard links come last, when everything that they may point to is there.
    if (hasHardLinks) {
      for await (const entry of this.#parts.entries()) {
        if (entry.type === 'hardlink') yield* this.#batched([this.#header(toTarEntry(entry))])
      }
    }
    if (this.#parts.dialect === 'gnu') {
      this.directories = Buffer.concat([...this.#directories.reverse(), END_OF_ARCHIVE])
    }
    yield* this.#batched([END_OF_ARCHIVE])
    if (this.#held.length > 0) yield Buffer.concat(this.#held)
  }

  async *#contentsOf(wanted: WantedMembers, tails: Tails): AsyncGenerator<Buffer> {
    if (wanted.missing === 0) return
    let made: Piece[] = []
    const take = (): Piece[] => {
      const taken = made
      made = []
      return taken
    }
    const handler = this.#taking(wanted, (piece) => made.push(piece))
    for await (const piece of walkTar(await this.#parts.open(wanted.name), handler, take)) {
      if (Buffer.isBuffer(piece)) yield* this.#batched([piece])
      else yield* this.#rest(piece, tails)
    }
    const { snapshot, archive } = wanted.name
    if (wanted.missing > 0) throw archiveLacks(snapshot, archive, wanted.missing)
  }

  /** Passes the wanted members on. */
  #taking(wanted: WantedMembers, give: (piece: Piece) => void): TarHandler {
    let passing: TarEntry | undefined
    let joining: Joining | undefined
    let solid: Buffer | undefined
    return {
      entry: (entry) => {
        passing = undefined
        joining = undefined
        const key = entry.path.toString('latin1')
        const longer = wanted.joined.get(key)
        if (longer !== undefined) {
          wanted.joined.delete(key)
          joining = this.#join(longer, entry)
        } else if (entry.type !== 'file' || !wanted.takeWhole(entry.path)) return
        passing = entry
        const begins = joining === undefined ? entry : toTarEntry(joining.entry)
        solid = this.#parts.rename(begins.path)
        give(this.#header(begins))
      },
      content: (chunk) => {
        if (passing === undefined) return
        this.totals.bytes += chunk.length
        joining?.begun.update(chunk)
        joining?.whole.update(chunk)
        if (solid !== undefined && isLongZeros(chunk)) {
          this.zeros.push(solid)
          solid = undefined
        }
        give(chunk)
      },
      endEntry: () => {
        if (passing === undefined) return
        give(joining ?? tarPadding(passing.size))
      },
    }
  }

  #join(entry: IndexEntry, found: TarEntry): Joining {
    const [first, ...tails] = entry.segments ?? []
    if (first === undefined) throw new RangeError('a file without content')
    if (found.type !== 'file' || found.size !== first.length) throw segmentDiffers(first)
    return { entry, first, tails, begun: createHash('sha256'), whole: createHash('sha256') }
  }

  /** Sends the tails of a file, behind its beginning. */
  async *#rest(
    { entry, first, tails: segments, begun, whole }: Joining,
    tails: Tails,
  ): AsyncGenerator<Buffer> {
    if (begun.digest('hex') !== first.sha256) throw segmentDiffers(first)
    for (const segment of segments) {
      for await (const chunk of tails.read(segment)) {
        this.totals.bytes += chunk.length
        whole.update(chunk)
        yield* this.#batched([chunk])
      }
    }
    yield* this.#batched([tarPadding(entry.size)])
    this.joined.set(toTarEntry(entry).path.toString('latin1'), whole.digest('hex'))
  }

  /** Counts and guards a member, and gives its header under its new name. */
  #header(entry: TarEntry): Buffer {
    const { rename, linkOutside, onFile } = this.#parts
    const path = rename(entry.path)
    if (path === undefined) throw new RangeError('an entry that is not wanted')
    const isLink = entry.type === 'hardlink' && entry.linkPath !== undefined
    const linkPath = isLink ? rename(entry.linkPath) : entry.linkPath
    if (isLink && linkPath === undefined) throw linkOutside(entry)
    this.#guard.check(entry)
    if (entry.type === 'file') onFile({ name: path, size: entry.size, before: this.totals.entries })
    this.totals.entries += 1
    const header = this.#encode({ ...entry, path, linkPath })
    if (entry.type === 'directory' && this.#parts.dialect === 'gnu') this.#directories.push(header)
    return header
  }

  *#batched(pieces: readonly Buffer[]): Generator<Buffer> {
    for (const piece of pieces) {
      this.#held.push(piece)
      this.#heldBytes += piece.length
    }
    if (this.#heldBytes < BATCH_BYTES) return
    const batch = Buffer.concat(this.#held)
    this.#held = []
    this.#heldBytes = 0
    yield batch
  }
}
