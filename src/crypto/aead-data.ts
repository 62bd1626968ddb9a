import { createDecipheriv, hkdfSync } from 'node:crypto'
import type { CipherGCMTypes, CipherOCBTypes } from 'node:crypto'
import type { ByteReader } from './byte-reader.ts'
import { messageDamage } from './damage.ts'
import type { SessionKey } from './session-key.ts'

/** The fields before the chunks of an integrity-protected packet of version 2 (RFC 9580 section 5.13.2). */
export interface AeadParameters {
  /** The bytes as they stand in the message, from the version on. */
  readonly bytes: Buffer
  readonly cipher: 'aes-128' | 'aes-192' | 'aes-256'
  readonly mode: 'ocb' | 'gcm'
  /** Bytes of a chunk. */
  readonly chunk: number
  readonly salt: Buffer
}

/** Algorithm ids of RFC 9580 section 9.3 and 9.6. */
const CIPHERS: Readonly<Record<number, AeadParameters['cipher']>> = {
  7: 'aes-128',
  8: 'aes-192',
  9: 'aes-256',
}
const MODES: Readonly<Record<number, AeadParameters['mode']>> = { 2: 'ocb', 3: 'gcm' }
const KEY_BYTES = { 'aes-128': 16, 'aes-192': 24, 'aes-256': 32 }
const NONCE_BYTES = { ocb: 15, gcm: 12 }
const TAG = 16
/** 4 MiB: the largest chunk that RFC 9580 allows. */
const LARGEST_CHUNK = 16

/** Reads the fields behind the version. Throws DamageError for a cipher, mode or chunk size that is not known here. */
export async function readAeadParameters(reader: ByteReader): Promise<AeadParameters> {
  const bytes = Buffer.concat([Buffer.from([2]), await reader.exactly(3 + 32)])
  const cipher = CIPHERS[bytes[1]!]
  const mode = MODES[bytes[2]!]
  const chunk = bytes[3]!
  if (cipher === undefined || mode === undefined || chunk > LARGEST_CHUNK)
    throw messageDamage('malformed', `its cipher (${bytes[1]}, ${bytes[2]}, ${chunk}) is not known here`)
  return { bytes, cipher, mode, chunk: 2 ** (chunk + 6), salt: bytes.subarray(4) }
}

/**
 * The plain packets, a chunk at a time, each authenticated before it is given away. Ends without error only
 * when the last tag, which covers the length, was right.
 */
export async function* openAeadData(
  reader: ByteReader,
  parameters: AeadParameters,
  keys: readonly SessionKey[],
): AsyncGenerator<Uint8Array> {
  const candidates = keys
    .filter(({ data }) => data.length === KEY_BYTES[parameters.cipher])
    .map(({ data }) => new AeadChunks(parameters, data))
  let chunks: AeadChunks | undefined
  let total = 0
  // A chunk can be told from the last tag because a full tag follows it.
  let held = await upTo(reader, parameters.chunk + 2 * TAG)
  for (let index = 0; held.length > TAG; index++) {
    const length = Math.min(parameters.chunk + TAG, held.length - TAG)
    const sealed = held.subarray(0, length)
    chunks ??= candidates.find((candidate) => candidate.open(0, sealed) !== undefined)
    const plain = chunks?.open(index, sealed)
    if (plain === undefined) throw messageDamage('mdc')
    total += plain.length
    yield plain
    const kept = held.subarray(length)
    held = Buffer.concat([kept, await upTo(reader, parameters.chunk + 2 * TAG - kept.length)])
  }
  if (held.length < TAG) throw messageDamage('truncated')
  const index = Math.ceil(total / parameters.chunk)
  const whole = (chunks === undefined ? candidates : [chunks]).some((one) => one.isEnd(index, held, total))
  if (!whole) throw messageDamage('mdc')
}

/** The chunks of one message under one session key. */
class AeadChunks {
  readonly #parameters: AeadParameters
  readonly #info: Buffer
  readonly #key: Buffer
  readonly #nonceStart: Buffer

  constructor(parameters: AeadParameters, sessionKey: Uint8Array) {
    this.#parameters = parameters
    // The packet's type octet, version, cipher, mode and chunk size: bound to every chunk.
    this.#info = Buffer.concat([Buffer.from([0xd2]), parameters.bytes.subarray(0, 4)])
    const keyBytes = KEY_BYTES[parameters.cipher]
    const derived = Buffer.from(
      hkdfSync(
        'sha256',
        sessionKey,
        parameters.salt,
        this.#info,
        keyBytes + NONCE_BYTES[parameters.mode] - 8,
      ),
    )
    this.#key = derived.subarray(0, keyBytes)
    this.#nonceStart = derived.subarray(keyBytes)
  }

  /** undefined when it is not authentic. */
  open(index: number, sealed: Buffer): Buffer | undefined {
    return this.#open(index, sealed, this.#info)
  }

  isEnd(index: number, tag: Buffer, total: number): boolean {
    return this.#open(index, tag, Buffer.concat([this.#info, uint64(total)])) !== undefined
  }

  #open(index: number, sealed: Buffer, associated: Buffer): Buffer | undefined {
    const { cipher, mode } = this.#parameters
    const nonce = Buffer.concat([this.#nonceStart, uint64(index)])
    const text = sealed.subarray(0, sealed.length - TAG)
    const decipher = createDecipheriv(
      `${cipher}-${mode}` as CipherGCMTypes & CipherOCBTypes,
      this.#key,
      nonce,
      { authTagLength: TAG },
    )
    decipher.setAAD(associated, { plaintextLength: text.length })
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG))
    const plain = decipher.update(text)
    try {
      decipher.final()
      return plain
    } catch {
      return undefined
    }
  }
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

async function upTo(reader: ByteReader, length: number): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for (let missing = length; missing > 0;) {
    const part = await reader.some(missing)
    if (part === undefined) break
    parts.push(part)
    missing -= part.length
  }
  return Buffer.concat(parts)
}
