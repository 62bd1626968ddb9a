import { crc32 } from 'node:zlib'
import { DamageError } from '../errors.ts'

/** What the caller is to do with the bytes that {@link GzipMemberWalker.take} did not take. */
export type GzipNeed = 'more' | 'inflate'

const FHCRC = 0x02
const FEXTRA = 0x04
const FNAME = 0x08
const FCOMMENT = 0x10
const RESERVED = 0xe0

type Part = 'fixed' | 'extra-length' | 'extra' | 'name' | 'comment' | 'header-crc' | 'deflate' | 'trailer'

/**
 * Follows the members of a gzip stream (RFC 1952): reads headers and trailers itself and leaves the deflate
 * data between them to an inflater, whose output it is told for CRC32 and ISIZE. Node's gunzip can't be asked:
 * it ignores whatever stands behind a member if that begins with a zero byte.
 *
 * Call `take` with each piece of input; when it wants `inflate`, hand the rest to a fresh inflater, report its
 * output through `inflated`, and call `deflateEnded` where the deflate data ended. Then `take` again.
 * Throws DamageError (`gzip-…`).
 */
export class GzipMemberWalker {
  #part: Part = 'fixed'
  #left = 10
  readonly #collected: Buffer = Buffer.alloc(10)
  #have = 0
  #flags = 0
  #members = 0
  #crc = 0
  #size = 0
  #headerCrc = 0

  /** Takes what belongs to header or trailer from `at` on; returns where it stopped and what is needed next. */
  take(chunk: Buffer, at: number): { readonly at: number; readonly need: GzipNeed } {
    while (at < chunk.length && this.#part !== 'deflate') at = this.#takePart(chunk, at)
    return { at, need: this.#part === 'deflate' ? 'inflate' : 'more' }
  }

  /** The inflater gave out these bytes. */
  inflated(bytes: Buffer): void {
    this.#crc = crc32(bytes, this.#crc)
    this.#size = (this.#size + bytes.length) >>> 0
  }

  /** The deflate data ended where its last block says; the trailer comes next. */
  deflateEnded(): void {
    this.#expect('trailer', 8)
  }

  /** The input ended: throws unless the last member ended exactly here. */
  end(): void {
    if (this.#part === 'fixed' && this.#have === 0) {
      if (this.#members === 0) throw new DamageError('gzip-empty', 'The gzip stream is empty')
      return
    }
    throw this.#part === 'fixed' && this.#members > 0 ? trailing() : truncated()
  }

  #takePart(chunk: Buffer, at: number): number {
    const part = this.#part
    let end: number
    let complete: boolean
    if (part === 'name' || part === 'comment') {
      const nul = chunk.indexOf(0, at)
      complete = nul !== -1
      end = complete ? nul + 1 : chunk.length
    } else {
      end = Math.min(at + this.#left, chunk.length)
      this.#left -= end - at
      complete = this.#left === 0
      if (part !== 'extra') {
        chunk.copy(this.#collected, this.#have, at, end)
        this.#have += end - at
      }
    }
    if (part !== 'trailer' && part !== 'header-crc')
      this.#headerCrc = crc32(chunk.subarray(at, end), this.#headerCrc)
    if (part === 'fixed') this.#checkMagic()
    if (complete) this.#finishPart(part)
    return end
  }

  #expect(part: Part, bytes: number): void {
    this.#part = part
    this.#left = bytes
    this.#have = 0
  }

  /** Looks at the first bytes as soon as they are there, so that garbage is named for what it is. */
  #checkMagic(): void {
    const magic = [0x1f, 0x8b, 8]
    for (let at = 0; at < Math.min(this.#have, magic.length); at += 1) {
      if (this.#collected[at] === magic[at]) continue
      throw this.#members > 0 ? trailing() : new DamageError('gzip-format', 'This is not a gzip stream')
    }
  }

  #finishPart(part: Part): void {
    switch (part) {
      case 'fixed':
        this.#flags = this.#collected[3] ?? 0
        if ((this.#flags & RESERVED) !== 0) {
          throw new DamageError('gzip-format', 'A gzip header has a reserved flag set')
        }
        return (this.#flags & FEXTRA) !== 0 ? this.#expect('extra-length', 2) : this.#expectName()
      case 'extra-length': {
        const length = this.#collected.readUInt16LE(0)
        return length > 0 ? this.#expect('extra', length) : this.#expectName()
      }
      case 'extra':
        return this.#expectName()
      case 'name':
        return this.#expectComment()
      case 'comment':
        return this.#expectHeaderCrc()
      case 'header-crc':
        if (this.#collected.readUInt16LE(0) !== (this.#headerCrc & 0xffff)) {
          throw new DamageError('gzip-header', 'A gzip header is damaged: its CRC is wrong')
        }
        return this.#expectDeflate()
      case 'trailer':
        return this.#finishMember()
      case 'deflate':
        return
    }
  }

  #expectName(): void {
    if ((this.#flags & FNAME) !== 0) this.#expect('name', 0)
    else this.#expectComment()
  }

  #expectComment(): void {
    if ((this.#flags & FCOMMENT) !== 0) this.#expect('comment', 0)
    else this.#expectHeaderCrc()
  }

  #expectHeaderCrc(): void {
    if ((this.#flags & FHCRC) !== 0) this.#expect('header-crc', 2)
    else this.#expectDeflate()
  }

  #expectDeflate(): void {
    this.#expect('deflate', 0)
    this.#crc = 0
    this.#size = 0
  }

  #finishMember(): void {
    if (this.#collected.readUInt32LE(0) !== this.#crc || this.#collected.readUInt32LE(4) !== this.#size) {
      throw new DamageError('gzip-checksum', 'The gzip data is damaged: its CRC32 or length is wrong')
    }
    this.#members += 1
    this.#headerCrc = 0
    this.#expect('fixed', 10)
  }
}

function trailing(): DamageError {
  return new DamageError('gzip-trailing-data', 'The gzip stream goes on behind its last member')
}

function truncated(): DamageError {
  return new DamageError('gzip-truncated', 'The gzip stream is cut short')
}
