import { RemoteError } from '../../errors.ts'
import { isKept } from '../../model/entry-types.ts'
import type { ServerType } from '../../model/entry-types.ts'
import type { FileStat, ListedEntry, ListedType } from '../../model/listing.ts'

/** Entries changed within this many seconds before the listing may change again without their stat telling. */
const SETTLE_SECONDS = 2

/** A name on Linux has at most 4 KiB; this bounds what a broken answer can make us keep. */
const MOST_FIELD = 1024 * 1024

/** find's letters. */
const TYPES: Readonly<Record<string, ServerType>> = {
  f: 'file',
  d: 'directory',
  l: 'symlink',
  p: 'fifo',
  s: 'socket',
  c: 'character-device',
  b: 'block-device',
}

const DOT_SLASH = Buffer.from('./')

/** Told of an entry that is no part of a backup. */
export type OnLeftOut = (path: Buffer, type: ServerType) => void

/** Reads the output of `scan.sh` piece by piece, in constant memory. Throws RemoteError when it is none. */
export class ScanParser {
  readonly #onLeftOut: OnLeftOut
  #rest: Buffer = Buffer.alloc(0)
  #clock: number | undefined
  #stat: string | undefined
  #ended = false

  constructor(onLeftOut: OnLeftOut = () => {}) {
    this.#onLeftOut = onLeftOut
  }

  /** The server's clock in seconds since the epoch, before anything was listed; undefined until it was read. */
  get clock(): number | undefined {
    return this.#clock
  }

  /** The entries that this piece completes. */
  *write(chunk: Buffer): Generator<ListedEntry> {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let from = 0
    for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, from)) {
      const entry = this.#field(bytes.subarray(from, end))
      if (entry !== undefined) yield entry
      from = end + 1
    }
    this.#rest = Buffer.from(bytes.subarray(from))
    if (this.#rest.length > MOST_FIELD) throw malformed()
  }

  /** Throws unless the list was whole. */
  end(): void {
    if (!this.#ended || this.#rest.length > 0) {
      throw new RemoteError('listing-cut', "The server's list of files is cut short", {
        next: 'Pull again; if it comes back, look at the server for a full process table or memory.',
      })
    }
  }

  #field(field: Buffer): ListedEntry | undefined {
    if (this.#ended) throw malformed()
    if (this.#clock === undefined) {
      const text = field.toString('latin1')
      if (!isNumber(text)) throw malformed()
      this.#clock = Number(text)
      return undefined
    }
    if (this.#stat === undefined) {
      const text = field.toString('latin1')
      if (text === 'end') this.#ended = true
      else this.#stat = text
      return undefined
    }
    const stat = parseStat(this.#stat)
    this.#stat = undefined
    const path = field.subarray(0, 2).equals(DOT_SLASH) ? field.subarray(2) : field
    if (path.length === 0) throw malformed()
    if (typeof stat === 'string') {
      this.#onLeftOut(Buffer.from(path), stat)
      return undefined
    }
    const latest = BigInt(this.#clock - SETTLE_SECONDS) * 1_000_000_000n
    return {
      path: Buffer.from(path),
      stat,
      settled: BigInt(stat.mtimeNs) < latest && BigInt(stat.ctimeNs) < latest,
    }
  }
}

/** Of what is no part of a backup, just what it is. */
function parseStat(text: string): FileStat | ServerType {
  const [
    letter = '',
    size = '',
    mtime = '',
    ctime = '',
    inode = '',
    links = '',
    mode = '',
    uid = '',
    gid = '',
  ] = text.split(' ')
  const mtimeNs = nanoseconds(mtime)
  const ctimeNs = nanoseconds(ctime)
  const numbers = [size, inode, links, uid, gid]
  if (mtimeNs === undefined || ctimeNs === undefined || !numbers.every(isNumber) || !/^[0-7]+$/.test(mode)) {
    throw malformed()
  }
  const type = TYPES[letter] ?? 'other'
  if (!isKept(type)) return type
  return {
    type: type as ListedType,
    size: Number(size),
    mtimeNs,
    ctimeNs,
    inode,
    links: Number(links),
    mode: Number.parseInt(mode, 8),
    uid: Number(uid),
    gid: Number(gid),
  }
}

function isNumber(text: string): boolean {
  return /^\d{1,20}$/.test(text)
}

/**
 * `1700000000.1234567890` as whole ns; find writes a tenth digit, always 0. Before 1970 the fraction still counts
 * upwards: half a second before it is `-1.5000000000` (seen with findutils 4.9).
 */
function nanoseconds(text: string): string | undefined {
  const match = /^(-?\d+)(?:\.(\d+))?$/.exec(text)
  if (match === null) return undefined
  const [, seconds = '', fraction = ''] = match
  const below = fraction.slice(0, 9).padEnd(9, '0')
  if (!seconds.startsWith('-')) return `${seconds}${below}`.replace(/^0+(?=\d)/, '')
  return String(BigInt(seconds) * 1_000_000_000n + BigInt(below))
}

function malformed(): RemoteError {
  return new RemoteError('listing-malformed', "The server's list of files can't be understood", {
    next: 'Pull again with --full; it needs no list.',
  })
}
