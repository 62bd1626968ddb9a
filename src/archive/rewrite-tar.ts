import { Transform, type TransformCallback, pipeline } from 'node:stream'
import { DamageError } from '../errors.ts'
import type { RewriteTar, SelectMember, TarDialect, TarEntry } from './contract.ts'
import { encodeGnuHeader } from './gnu-header.ts'
import { MemberGuard } from './member-guard.ts'
import { END_OF_ARCHIVE } from './tar-header.ts'
import { type TarHandler, TarReader } from './tar-reader.ts'
import { encodeTarHeader, tarPadding } from './tar-writer.ts'

/** See {@link RewriteTar}. */
export const rewriteTar: RewriteTar = (
  plain,
  { select, dialect, maxBytes, onEnd, onZeros, onDirectories },
) => {
  const rewriter = new Rewriter({ select, dialect, maxBytes, onZeros, onDirectories })
  if (onEnd !== undefined)
    rewriter.once('end', () => onEnd({ entries: rewriter.entries, bytes: rewriter.bytes }))
  // The error reaches the reader through the rewriter, which pipeline destroys with it.
  pipeline(plain, rewriter, () => undefined)
  return rewriter
}

interface RewriterOptions {
  readonly select: SelectMember
  readonly dialect: TarDialect
  readonly maxBytes: number
  readonly onZeros: ((path: Buffer) => void) | undefined
  readonly onDirectories: ((tar: Buffer) => void) | undefined
}

class Rewriter extends Transform implements TarHandler {
  entries = 0
  bytes = 0
  readonly #reader = new TarReader(this)
  readonly #guard = new MemberGuard()
  readonly #select: SelectMember
  readonly #encode: (entry: TarEntry) => Buffer
  readonly #maxBytes: number
  readonly #onZeros: RewriterOptions['onZeros']
  readonly #onDirectories: RewriterOptions['onDirectories']
  /** For a tar other than GNU's, which sets a directory's mode and time before it writes into it. */
  readonly #directories: Buffer[] | undefined
  #path: Buffer | undefined
  #taken = 0
  #passing = false
  #padding: Buffer = Buffer.alloc(0)

  constructor({ select, dialect, maxBytes, onZeros, onDirectories }: RewriterOptions) {
    super({ readableHighWaterMark: 1024 * 1024, writableHighWaterMark: 1024 * 1024 })
    this.#select = select
    this.#encode = dialect === 'pax' ? encodeTarHeader : encodeGnuHeader
    this.#maxBytes = maxBytes
    this.#onZeros = onZeros
    this.#onDirectories = onDirectories
    this.#directories = dialect === 'gnu' ? [] : undefined
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      this.#taken += chunk.length
      if (this.#taken > this.#maxBytes) throw bomb(this.#maxBytes)
      this.#reader.write(chunk)
      done()
    } catch (error) {
      done(error as Error)
    }
  }

  override _flush(done: TransformCallback): void {
    try {
      this.#reader.end()
      if (this.#directories !== undefined) {
        this.#onDirectories?.(Buffer.concat([...this.#directories.reverse(), END_OF_ARCHIVE]))
      }
      this.push(END_OF_ARCHIVE)
      done()
    } catch (error) {
      done(error as Error)
    }
  }

  entry(entry: TarEntry): void {
    this.#guard.check(entry)
    const selected = this.#select(entry)
    this.#passing = selected !== undefined
    if (selected === undefined) return
    this.entries += 1
    this.#padding = tarPadding(entry.size)
    const header = this.#encode({
      ...entry,
      path: selected.path,
      linkPath: selected.linkPath ?? entry.linkPath,
    })
    if (entry.type === 'directory') this.#directories?.push(header)
    this.#path = entry.type === 'file' ? selected.path : undefined
    this.push(header)
  }

  content(chunk: Buffer): void {
    if (!this.#passing) return
    this.bytes += chunk.length
    if (this.#path !== undefined && isLongZeros(chunk)) {
      this.#onZeros?.(this.#path)
      this.#path = undefined
    }
    this.push(chunk)
  }

  endEntry(): void {
    if (this.#passing && this.#padding.length > 0) this.push(this.#padding)
  }
}

const ZEROS = Buffer.alloc(256 * 1024)

/** A hole is worth digging from a few pages on; most chunks are told apart by their first byte. */
function isLongZeros(chunk: Buffer): boolean {
  const length = Math.min(chunk.length, ZEROS.length)
  return length >= 16 * 1024 && chunk[0] === 0 && ZEROS.compare(chunk, 0, length, 0, length) === 0
}

function bomb(maxBytes: number): DamageError {
  return new DamageError(
    'hostile-size',
    `The archive holds more than the ${maxBytes} bytes that its manifest says`,
    {
      next: 'relay-backup writes no such archive. Find out who could write to the vault before you trust it.',
    },
  )
}
