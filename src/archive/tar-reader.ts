import type { DamageError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import type { EntryType, TarEntry } from './contract.ts'
import { damageAt } from './damage.ts'
import type { PaxRecords } from './pax.ts'
import { XATTR_PREFIX, decodeXattrName, parsePaxInteger, parsePaxRecords, parsePaxTime } from './pax.ts'
import {
  BLOCK,
  END_OF_ARCHIVE,
  FIELDS,
  paddingOf,
  readNumber,
  readSeconds,
  readText,
  verifyChecksum,
} from './tar-header.ts'
import { formatCount } from '../model/units.ts'

/**
 * What a {@link TarReader} calls, synchronously and in order. An error that one of these throws comes out of `write`.
 */
export interface TarHandler {
  /** A member begins; `contentOffset` is where its content begins in the plain tar. */
  entry(entry: TarEntry, contentOffset: number): void
  /** A piece of the member's content: part of the chunk that was written, not a copy. */
  content(chunk: Buffer): void
  /** The member's content is complete. */
  endEntry(): void
  /** The end-of-archive begins at this plain offset. */
  endArchive?(offset: number): void
  /** Only with `concatenated`: another archive begins at this plain offset. */
  nextArchive?(offset: number): void
}

/** Larger than the extended attributes of any file system. It keeps a damaged length from taking all memory. */
const MAX_EXTENSION_BYTES = 16 * 1024 * 1024

const TYPES: Readonly<Record<string, EntryType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
  // A contiguous file, which no system of today has: POSIX says to treat it as a regular one.
  '7': 'file',
}

const REFUSED_TYPES: Readonly<Record<string, string>> = {
  A: 'Solaris access control list',
  D: 'GNU directory dump',
  M: 'continuation of a multi-volume file',
  N: 'old GNU long name',
  V: 'volume label',
  X: 'Solaris extended header',
}

type State = 'header' | 'extension' | 'content' | 'padding'

/**
 * Reads a tar as its bytes come by and copies no content. It knows ustar, GNU (long names, base-256 numbers),
 * pax and v7; names are bytes and never decoded. Sparse members and unknown types are refused: we never ask
 * for them, and guessing would shift everything behind.
 *
 * Memory is constant: a header block and at most 16 MiB of an extended header. Every defect is a DamageError
 * whose message holds the plain offset. Once `write` or `end` threw, the reader must not be used any more.
 */
export class TarReader {
  readonly #handler: TarHandler
  readonly #concatenated: boolean
  #state: State = 'header'
  /** Plain offset of the next byte. */
  #offset = 0
  /** A header that lies across chunks is collected here. */
  readonly #header: Buffer = Buffer.alloc(BLOCK)
  #collected = 0
  /** Zero blocks seen in a row where a header was expected. */
  #zeroBlocks = 0
  /** Bytes of content, extension or padding still to come. */
  #left = 0
  #padding = 0
  #extensionType = ''
  #extension: Buffer = Buffer.alloc(0)
  #longName: Buffer | undefined
  #longLink: Buffer | undefined
  #pax: PaxRecords | undefined
  #globalPax: PaxRecords = new Map()

  constructor(handler: TarHandler, options: { readonly concatenated?: boolean } = {}) {
    this.#handler = handler
    this.#concatenated = options.concatenated ?? false
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset
  }

  /** Bytes at the end of what was written that belong to a header not complete yet: 0 to 511. */
  get pendingHeaderBytes(): number {
    return this.#collected
  }

  write(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      at = this.#state === 'header' ? this.#takeHeader(chunk, at) : this.#takeBody(chunk, at)
    }
  }

  /** The input ended. Throws unless the archive ended, too. */
  end(): void {
    if (this.#zeroBlocks >= 2) {
      if (this.#collected === 0) return
      if (this.#header.subarray(0, this.#collected).some((byte) => byte !== 0)) throw this.#trailing()
    }
    throw damageAt('tar-truncated', this.#offset, 'The tar archive is cut short')
  }

  #takeHeader(chunk: Buffer, at: number): number {
    if (this.#collected === 0 && chunk.length - at >= BLOCK) {
      this.#offset += BLOCK
      this.#block(chunk.subarray(at, at + BLOCK))
      return at + BLOCK
    }
    const taken = Math.min(BLOCK - this.#collected, chunk.length - at)
    chunk.copy(this.#header, this.#collected, at, at + taken)
    this.#collected += taken
    this.#offset += taken
    if (this.#collected === BLOCK) {
      this.#collected = 0
      this.#block(this.#header)
    }
    return at + taken
  }

  #takeBody(chunk: Buffer, at: number): number {
    const taken = Math.min(this.#left, chunk.length - at)
    this.#offset += taken
    this.#left -= taken
    if (this.#state === 'content') {
      this.#handler.content(at === 0 && taken === chunk.length ? chunk : chunk.subarray(at, at + taken))
    } else if (this.#state === 'extension') {
      chunk.copy(this.#extension, this.#extension.length - this.#left - taken, at, at + taken)
    }
    if (this.#left === 0) this.#finishBody()
    return at + taken
  }

  #finishBody(): void {
    const state = this.#state
    if (state === 'content') this.#handler.endEntry()
    if (state === 'extension') this.#finishExtension()
    if (state !== 'padding' && this.#padding > 0) {
      this.#state = 'padding'
      this.#left = this.#padding
    } else {
      this.#state = 'header'
    }
  }

  /** A whole block where a header was expected; `#offset` is behind it. */
  #block(block: Buffer): void {
    const offset = this.#offset - BLOCK
    if (block[0] === 0 && block.equals(ZERO_BLOCK)) {
      this.#zeroBlock(offset)
      return
    }
    if (this.#zeroBlocks > 0) {
      if (!this.#concatenated || this.#zeroBlocks < 2) throw this.#trailing()
      this.#zeroBlocks = 0
      this.#globalPax = new Map()
      this.#handler.nextArchive?.(offset)
    }
    verifyChecksum(block, offset)
    const type = String.fromCharCode(block[FIELDS.type[0]] ?? 0)
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K')
      this.#beginExtension(block, type, offset)
    else this.#beginEntry(block, type, offset)
  }

  #zeroBlock(offset: number): void {
    if (this.#longName || this.#longLink || this.#pax) {
      throw damageAt(
        'tar-truncated',
        offset,
        'The tar archive ends between an extended header and its member',
      )
    }
    this.#zeroBlocks += 1
    if (this.#zeroBlocks === 1) this.#handler.endArchive?.(offset)
  }

  #trailing(): DamageError {
    return damageAt('tar-trailing-data', this.#offset, 'The tar archive goes on behind its end')
  }

  #beginExtension(block: Buffer, type: string, offset: number): void {
    const size = readNumber(block, 'size', offset)
    if (size > MAX_EXTENSION_BYTES) {
      throw damageAt('tar-pax-header', offset, `An extended tar header claims ${formatCount(size, 'byte')}`)
    }
    if (type === 'g' && this.#concatenated) {
      throw damageAt(
        'tar-unsupported',
        offset,
        'A global extended header in one of several joined tar archives is not supported',
      )
    }
    this.#extensionType = type
    this.#extension = Buffer.allocUnsafe(size)
    this.#begin('extension', size)
  }

  #begin(state: State, size: number): void {
    this.#state = state
    this.#left = size
    this.#padding = paddingOf(size)
    if (size === 0) this.#finishBody()
  }

  #finishExtension(): void {
    const data = this.#extension
    const offset = this.#offset - data.length - BLOCK
    if (this.#extensionType === 'L' || this.#extensionType === 'K') {
      const nul = data.indexOf(0)
      const name = nul === -1 ? data : data.subarray(0, nul)
      if (this.#extensionType === 'L') this.#longName = name
      else this.#longLink = name
      return
    }
    const records = parsePaxRecords(data, offset)
    for (const key of records.keys()) {
      if (key.startsWith('GNU.sparse.')) throw sparse(offset)
    }
    if (this.#extensionType === 'g') this.#globalPax = merge(this.#globalPax, records)
    else this.#pax = this.#pax ? merge(this.#pax, records) : records
  }

  #beginEntry(block: Buffer, type: string, offset: number): void {
    const entry = this.#readEntry(block, type, offset)
    this.#longName = undefined
    this.#longLink = undefined
    this.#pax = undefined
    this.#handler.entry(entry, this.#offset)
    this.#begin('content', entry.size)
  }

  #readEntry(block: Buffer, type: string, offset: number): TarEntry {
    const pax = this.#globalPax.size === 0 ? this.#pax : merge(this.#globalPax, this.#pax)
    const rawPath = record(pax, 'path') ?? this.#longName ?? readName(block)
    const path = withoutTrailingSlashes(rawPath)
    const kind = this.#readType(type, path, offset)
    // Before ustar a directory was a file whose name ends with a slash; GNU tar and bsdtar still read it so.
    const entryType = kind === 'file' && path.length < rawPath.length ? 'directory' : kind
    if (path.length === 0) throw damageAt('tar-header', offset, 'A tar member has no name')
    if (path.includes(0)) throw damageAt('tar-header', offset, `The name ${printable(path)} holds a NUL`)

    const number = (key: 'size' | 'uid' | 'gid') => {
      const value = record(pax, key)
      if (!value) return readNumber(block, key, offset)
      return parsePaxInteger(value) ?? badRecord(key, offset)
    }
    const size = number('size')
    if (entryType !== 'file' && size !== 0) {
      throw damageAt(
        'tar-header',
        offset,
        `${printable(path)} is a ${entryType} and claims ${formatCount(size, 'byte')}`,
      )
    }
    const mtime = record(pax, 'mtime')
    const entry = {
      path,
      type: entryType,
      mode: readNumber(block, 'mode', offset) & 0o7777,
      uid: number('uid'),
      gid: number('gid'),
      uname: (record(pax, 'uname') ?? readText(block, 'uname')).toString(),
      gname: (record(pax, 'gname') ?? readText(block, 'gname')).toString(),
      size,
      mtimeNs: mtime
        ? (parsePaxTime(mtime) ?? badRecord('mtime', offset))
        : readSeconds(block, offset) * 1_000_000_000n,
    }
    const xattrs = pax && readXattrs(pax)
    return {
      ...entry,
      ...(entryType === 'symlink' || entryType === 'hardlink'
        ? { linkPath: this.#readLink(block, pax, path, offset) }
        : undefined),
      ...(entryType === 'character-device' || entryType === 'block-device'
        ? {
            deviceMajor: readNumber(block, 'deviceMajor', offset),
            deviceMinor: readNumber(block, 'deviceMinor', offset),
          }
        : undefined),
      ...(xattrs ? { xattrs } : undefined),
    }
  }

  #readType(type: string, path: Buffer, offset: number): EntryType {
    const known = TYPES[type]
    if (known) return known
    if (type === 'S') throw sparse(offset, path)
    const name = REFUSED_TYPES[type]
    throw damageAt(
      'tar-unsupported',
      offset,
      `${printable(path)} has the member type ${printable(type)}${name ? ` (${name})` : ''}, which is not supported`,
    )
  }

  #readLink(block: Buffer, pax: PaxRecords | undefined, path: Buffer, offset: number): Buffer {
    const link = record(pax, 'linkpath') ?? this.#longLink ?? readText(block, 'linkName')
    if (link.length === 0) throw damageAt('tar-header', offset, `The link ${printable(path)} has no target`)
    if (link.includes(0)) throw damageAt('tar-header', offset, `The target of ${printable(path)} holds a NUL`)
    return link
  }
}

const ZERO_BLOCK = END_OF_ARCHIVE.subarray(0, BLOCK)
const SLASH = 0x2f
const POSIX_MAGIC = Buffer.from('ustar\0')

/** Name and prefix. GNU's own dialect (`ustar` and two spaces) keeps times where POSIX has the prefix. */
function readName(block: Buffer): Buffer {
  const name = readText(block, 'name')
  const [start, length] = FIELDS.magic
  if (block[FIELDS.prefix[0]] === 0 || !block.subarray(start, start + length).equals(POSIX_MAGIC)) return name
  return Buffer.concat([readText(block, 'prefix'), Buffer.from('/'), name])
}

function withoutTrailingSlashes(path: Buffer): Buffer {
  let end = path.length
  while (end > 1 && path[end - 1] === SLASH) end -= 1
  return path.subarray(0, end)
}

/** A record's value; an empty one means that the header's own field counts (POSIX.1-2017, pax). */
function record(pax: PaxRecords | undefined, key: string): Buffer | undefined {
  const value = pax?.get(key)
  return value?.length === 0 ? undefined : value
}

function readXattrs(pax: PaxRecords): ReadonlyMap<string, Buffer> | undefined {
  let xattrs: Map<string, Buffer> | undefined
  for (const [key, value] of pax) {
    if (!key.startsWith(XATTR_PREFIX)) continue
    xattrs ??= new Map()
    xattrs.set(decodeXattrName(key.slice(XATTR_PREFIX.length)), value)
  }
  return xattrs
}

function merge(under: PaxRecords, over: PaxRecords | undefined): PaxRecords {
  return over ? new Map([...under, ...over]) : under
}

function badRecord(key: string, offset: number): never {
  throw damageAt('tar-pax-header', offset, `An extended (pax) tar header has an unusable ${key}`)
}

function sparse(offset: number, path?: Buffer): DamageError {
  return damageAt(
    'tar-sparse',
    offset,
    `${path ? printable(path) : 'A member'} is stored in a sparse form, which is not supported`,
  )
}
