import { Crc64 } from './crc64.ts'
import { Opcode } from './types.ts'

/** RDB version (2 bytes) and CRC64 (8 bytes) behind what DUMP and FUNCTION DUMP answer (Redis src/cluster.c). */
const FOOTER = 10

/** What DUMP answered, taken apart. */
export interface DumpPayload {
  /** RDB version of the server. */
  readonly version: number
  /** A value as it stands in an RDB: its type byte first. Of functions: their opcodes first. */
  readonly content: Buffer
}

/** Takes an answer of DUMP or FUNCTION DUMP apart; undefined when its checksum is wrong. */
export function parsePayload(payload: Buffer): DumpPayload | undefined {
  const end = payload.length - FOOTER
  if (end < 0) return undefined
  const crc = new Crc64()
  crc.update(payload, 0, payload.length - 8)
  if (payload.readUInt32LE(payload.length - 8) !== crc.low) return undefined
  if (payload.readUInt32LE(payload.length - 4) !== crc.high) return undefined
  return { version: payload.readUInt16LE(end), content: payload.subarray(0, end) }
}

/**
 * Writes an RDB out of what DUMP answers, in pieces: {@link header}, then {@link functions}, then for each database
 * {@link selectDatabase} and its keys, then {@link end}. Each key once, or Redis does not load it.
 */
export class RdbWriter {
  readonly #crc = new Crc64()

  /** AUX fields are known since version 7. */
  header(version: number, aux: ReadonlyMap<string, string>): Buffer {
    const fields =
      version < 7
        ? []
        : [...aux].flatMap(([name, value]) => [
            Buffer.from([Opcode.aux]),
            encodeString(Buffer.from(name)),
            encodeString(Buffer.from(value)),
          ])
    return this.#write(Buffer.from(`REDIS${String(version).padStart(4, '0')}`), ...fields)
  }

  functions(content: Buffer): Buffer {
    return this.#write(content)
  }

  selectDatabase(database: number): Buffer {
    return this.#write(Buffer.from([Opcode.selectDb]), encodeLength(database))
  }

  /** `expiresAt` is in ms since the epoch. */
  key(name: Buffer, content: Buffer, expiresAt: number | undefined): Buffer {
    const expiry = expiresAt === undefined ? [] : [encodeExpiry(expiresAt)]
    return this.#write(...expiry, content.subarray(0, 1), encodeString(name), content.subarray(1))
  }

  end(): Buffer {
    const opcode = this.#write(Buffer.from([Opcode.eof]))
    const checksum = Buffer.alloc(8)
    checksum.writeUInt32LE(this.#crc.low, 0)
    checksum.writeUInt32LE(this.#crc.high, 4)
    return Buffer.concat([opcode, checksum])
  }

  #write(...parts: readonly Buffer[]): Buffer {
    const bytes = Buffer.concat(parts)
    this.#crc.update(bytes)
    return bytes
  }
}

function encodeExpiry(milliseconds: number): Buffer {
  const bytes = Buffer.alloc(9)
  bytes[0] = Opcode.expireTimeMs
  bytes.writeBigInt64LE(BigInt(milliseconds), 1)
  return bytes
}

function encodeString(bytes: Buffer): Buffer {
  return Buffer.concat([encodeLength(bytes.length), bytes])
}

/** A length as rdbSaveLen writes it. */
function encodeLength(length: number): Buffer {
  if (length < 64) return Buffer.from([length])
  if (length < 16_384) return Buffer.from([0x40 | (length >> 8), length & 255])
  const bytes = Buffer.from([0x80, 0, 0, 0, 0])
  bytes.writeUInt32BE(length, 1)
  return bytes
}
