const BLOCK = 512

/**
 * Follows a tar stream without touching it: whose content is passing, and how much of it is still to come. Only
 * what our own batches can hold is understood: ustar, the long names of GNU, and pax paths and sizes.
 */
export class TarTracker {
  readonly #onMember: (name: Buffer) => void
  #header = Buffer.alloc(0)
  /** Bytes of the current member's content, padding included, that have not passed. */
  #remaining = 0
  /** Content of a header that tells of the next one. */
  #meta: { type: string; parts: Buffer[]; size: number } | undefined
  #longName: Buffer | undefined
  #paxSize: number | undefined
  #real = false

  constructor(onMember: (name: Buffer) => void) {
    this.#onMember = onMember
  }

  /** Content bytes (padding included) that the member passing now still lacks; 0 between members. */
  get lacking(): number {
    return this.#remaining
  }

  /** The stream stands in a member's content, not in a header or in what belongs to one. */
  get inContent(): boolean {
    return this.#remaining > 0 && this.#real
  }

  /** The stream stands in the middle of a header, or between one and the member it belongs to. */
  get inHeader(): boolean {
    return this.#header.length > 0 || this.#longName !== undefined || (this.#remaining > 0 && !this.#real)
  }

  write(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#remaining > 0) {
        const take = Math.min(this.#remaining, chunk.length - at)
        // A name of more than a megabyte is none.
        if (this.#meta !== undefined && this.#meta.size <= 1_048_576) {
          this.#meta.parts.push(Buffer.from(chunk.subarray(at, at + take)))
        }
        this.#remaining -= take
        at += take
        if (this.#remaining === 0) this.#endContent()
        continue
      }
      const take = Math.min(BLOCK - this.#header.length, chunk.length - at)
      this.#header = Buffer.concat([this.#header, chunk.subarray(at, at + take)])
      at += take
      if (this.#header.length === BLOCK) {
        const header = this.#header
        this.#header = Buffer.alloc(0)
        this.#begin(header)
      }
    }
  }

  #begin(header: Buffer): void {
    // A block of zeros: end of archive, or padding behind it.
    if (header[0] === 0 && header.every((byte) => byte === 0)) return
    const type = String.fromCharCode(header[156] ?? 0)
    const size = numberOf(header.subarray(124, 136))
    if ('LKxg'.includes(type)) {
      this.#meta = { type, parts: [], size }
      this.#real = false
    } else {
      this.#onMember(this.#longName ?? nameOf(header))
      this.#real = true
    }
    const content = this.#real ? (hasContent(type) ? (this.#paxSize ?? size) : 0) : size
    if (this.#real) {
      this.#longName = undefined
      this.#paxSize = undefined
    }
    this.#remaining = Math.ceil(content / BLOCK) * BLOCK
    if (this.#remaining === 0) this.#endContent()
  }

  #endContent(): void {
    const meta = this.#meta
    this.#meta = undefined
    if (meta === undefined) return
    const content = Buffer.concat(meta.parts).subarray(0, meta.size)
    if (meta.type === 'L') this.#longName = untilNul(content)
    if (meta.type === 'x') {
      this.#longName = paxValue(content, 'path') ?? this.#longName
      const size = paxValue(content, 'size')
      if (size !== undefined) this.#paxSize = Number(size.toString())
    }
  }
}

/** Regular files only: '0', '7' (contiguous), and NUL of old. */
function hasContent(type: string): boolean {
  return type === '0' || type === '7' || type === '\0'
}

function nameOf(header: Buffer): Buffer {
  const name = untilNul(header.subarray(0, 100))
  const prefix = untilNul(header.subarray(345, 500))
  // Only POSIX ustar ("ustar" NUL) has the prefix; GNU's magic ends in a space.
  if (header[262] !== 0 || prefix.length === 0) return name
  return Buffer.concat([prefix, Buffer.from('/'), name])
}

function untilNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0)
  return end === -1 ? bytes : bytes.subarray(0, end)
}

/** Octal, or base 256 with the first bit set for sizes above 8 GiB. */
function numberOf(field: Buffer): number {
  if ((field[0] ?? 0) & 0x80) {
    return field.subarray(1).reduce((sum, byte) => sum * 256 + byte, (field[0] ?? 0) & 0x7f)
  }
  return Number.parseInt(untilNul(field).toString('latin1').trim() || '0', 8)
}

function paxValue(content: Buffer, key: string): Buffer | undefined {
  let at = 0
  let value: Buffer | undefined
  while (at < content.length) {
    const space = content.indexOf(0x20, at)
    const length = Number.parseInt(content.subarray(at, space).toString('latin1'), 10)
    if (space === -1 || !(length > 0)) break
    const record = content.subarray(space + 1, at + length - 1)
    if (record.subarray(0, key.length + 1).toString('latin1') === `${key}=`) {
      value = record.subarray(key.length + 1)
    }
    at += length
  }
  return value
}
