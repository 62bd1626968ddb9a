import type { RdbFacts } from '../facts.ts'
import { Crc64 } from './crc64.ts'
import { LzfError } from './lzf.ts'
import { RdbError } from './error.ts'
import type { RdbProblem } from './error.ts'
import { KeptString, StringEncoding } from './kept-string.ts'
import {
  FUNCTION_PRE_GA_PROGRAM,
  FUNCTION_PROGRAM,
  IS_ONE_STRING,
  MODULE_AUX_PROGRAM,
  Opcode,
  RDB_TYPES,
  Step,
  moduleName,
} from './types.ts'
import type { RdbType, RedisType } from './types.ts'

/** One key as it stands in the file. */
export interface RdbKey {
  readonly database: number
  readonly key: Buffer
  readonly type: RedisType
  /** How the value is written, `hash-listpack`; a string value's is `raw`, `int` or `lzf`. */
  readonly encoding: string
  /** Unix time in ms. */
  readonly expiresAtMs?: number | undefined
}

export interface RdbReaderOptions {
  /** Something may follow the RDB: commands behind a preamble, the mark behind a transfer. It is not looked at. */
  readonly trailing?: boolean
}

/** The newest RDB version this reader knows: Redis 7.4 and 8.0. */
export const MAX_RDB_VERSION = 12

const State = {
  header: 0,
  top: 1,
  key: 2,
  program: 3,
  auxName: 4,
  auxValue: 5,
  auxEnd: 6,
  checksum: 7,
  done: 8,
} as const

const HEADER_BYTES = 9
/** Where the checksum began (rdb.c, rdbLoadRio: "Verify the checksum if RDB version is >= 5"). */
const CHECKSUM_SINCE = 5
/** Redis' own limit for a string (proto-max-bulk-len) unless it was raised. */
const MAX_KEY_BYTES = 512 * 1024 * 1024
/** Of aux fields only short ones are of interest. */
const MAX_AUX_BYTES = 256
/** Redis takes a signed int for the number of databases. */
const MAX_DATABASE = 0x7fffffff
const NO_BYTES = Buffer.alloc(0)
const MAGIC = 'REDIS'
/** Valkey 9 and later write a magic of their own in front of three digits. */
const VALKEY_MAGIC = 'VALKEY'
const STRING_ENCODINGS = ['raw', 'int', 'lzf']

// rdb.h, RDB_MODULE_OPCODE_*
const MODULE_EOF = 0
const MODULE_SINT = 1
const MODULE_UINT = 2
const MODULE_FLOAT = 3
const MODULE_DOUBLE = 4
const MODULE_STRING = 5

/**
 * Reads an RDB as it comes, in pieces of any size, in constant memory: counts keys and expiries per database,
 * finds its exact end and proves its checksum. Values are passed by, never decompressed or built.
 *
 * Every method throws {@link RdbError} (a DamageError) when the bytes are not an RDB this reader knows; after
 * that it throws the same again.
 */
export class RdbReader {
  readonly #handler: ((key: RdbKey) => void) | undefined
  readonly #trailing: boolean
  readonly #crc = new Crc64()

  #state: number = State.header
  #failure: RdbError | undefined
  /** Bytes behind the last token that was read whole; at most a token's length. */
  #rest: Buffer = NO_BYTES
  /** Bytes before the buffer that is being parsed. */
  #base = 0
  /** The RDB's length, once its end was seen. */
  #end: number | undefined
  /** Bytes of a string, or of a fixed field, still to pass by. */
  #left = 0
  /** Where passing bytes are kept, when they are. */
  #keeper: KeptString | undefined

  // What the last length or string header said.
  #length = 0
  #lengthHigh = 0
  #lengthLow = 0
  #encoding = 0
  #plainLength = 0

  // The program of the value at hand: its cells, the next one, and the loops it is in.
  #program: Uint8Array = FUNCTION_PROGRAM
  #pc = 0
  #depth = 0
  /** Strings still to come of the `strings` step at hand. */
  #strings = 0
  readonly #loopStart = new Int32Array(4)
  readonly #loopEnd = new Int32Array(4)
  readonly #loopLeft = new Float64Array(4)
  #type: RdbType | undefined
  #dropped = false
  #stringEncoding = 0

  readonly #keptKey = new KeptString()
  readonly #keptName = new KeptString()
  readonly #keptValue = new KeptString()

  #version = 0
  #redisVersion: string | undefined
  #database = 0
  #counts: { keys: number; expires: number } | undefined
  readonly #databases = new Map<number, { keys: number; expires: number }>()
  #expires = false
  #expiresAtMs = 0
  #functions = 0
  readonly #modules = new Set<string>()
  #checksum: 'ok' | 'none' = 'none'

  /** `handler` is called for each key after its value went by; without it keys are not even decompressed. */
  constructor(handler?: (key: RdbKey) => void, options: RdbReaderOptions = {}) {
    this.#handler = handler
    this.#trailing = options.trailing ?? false
  }

  /** The RDB's length in bytes as soon as its end was read, checksum included. */
  get endOffset(): number | undefined {
    return this.#end
  }

  /** Takes the next bytes; they may be reused when it returns. Bytes behind the end are an error unless allowed. */
  write(chunk: Buffer): void {
    if (this.#failure !== undefined) throw this.#failure
    if (chunk.length === 0) return
    if (this.#state === State.done) {
      if (!this.#trailing) this.#fail('trailing', 'Data follows the end of the RDB', 0)
      return
    }
    const buffer = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    try {
      const used = this.#parse(buffer)
      if (this.#end === undefined && this.#state !== State.checksum) this.#crc.update(buffer, 0, used)
      if (this.#state === State.done) {
        this.#rest = NO_BYTES
        if (used < buffer.length && !this.#trailing) {
          this.#fail('trailing', 'Data follows the end of the RDB', used)
        }
      } else {
        this.#rest = used === buffer.length ? NO_BYTES : Buffer.from(buffer.subarray(used))
      }
      this.#base += used
    } catch (error) {
      if (!(error instanceof LzfError)) throw error
      this.#fail('malformed', `A compressed key is damaged: ${error.message}`, 0)
    }
  }

  /** Says that all bytes were written. Throws when the RDB's end was not among them. */
  end(): RdbFacts {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#state !== State.done || this.#end === undefined) {
      this.#fail('truncated', 'The RDB ends too early', this.#rest.length)
    }
    return {
      version: this.#version,
      ...(this.#redisVersion === undefined ? {} : { redisVersion: this.#redisVersion }),
      databases: [...this.#databases]
        .map(([database, { keys, expires }]) => ({ database, keys, expires }))
        .sort((a, b) => a.database - b.database),
      functions: this.#functions,
      modules: [...this.#modules].sort(),
      bytes: this.#end,
      checksum: this.#checksum,
    }
  }

  /** Reads tokens as long as they are there whole; returns how many bytes were used. */
  #parse(buffer: Buffer): number {
    const end = buffer.length
    let pos = 0
    for (;;) {
      if (this.#left > 0) {
        const stop = end - pos < this.#left ? end : pos + this.#left
        if (this.#keeper !== undefined) this.#keeper.push(buffer, pos, stop)
        this.#left -= stop - pos
        pos = stop
        if (this.#left > 0) return pos
      }
      this.#keeper = undefined
      let before = pos
      switch (this.#state) {
        case State.program:
          pos = this.#step(buffer, pos, end)
          break
        case State.top:
          if (this.#handler === undefined && !this.#expires) {
            before = pos = this.#passKeys(buffer, pos, end)
          }
          pos = this.#opcode(buffer, pos, end)
          break
        case State.key:
          pos = this.#keepString(
            buffer,
            pos,
            end,
            this.#handler === undefined ? undefined : this.#keptKey,
            MAX_KEY_BYTES,
          )
          if (pos >= 0) this.#state = State.program
          break
        case State.auxName:
          pos = this.#keepString(buffer, pos, end, this.#keptName, MAX_AUX_BYTES)
          if (pos >= 0) this.#state = State.auxValue
          break
        case State.auxValue:
          pos = this.#keepString(buffer, pos, end, this.#keptValue, MAX_AUX_BYTES)
          if (pos >= 0) this.#state = State.auxEnd
          break
        case State.auxEnd:
          this.#aux()
          break
        case State.header:
          pos = this.#header(buffer, pos, end)
          break
        case State.checksum:
          pos = this.#readChecksum(buffer, pos, end)
          break
        default:
          return pos
      }
      if (pos < 0) return before
    }
  }

  /** The next step of the program; -1 when its token is not there whole. */
  #step(buffer: Buffer, pos: number, end: number): number {
    const program = this.#program
    let pc = this.#pc
    switch (program[pc]) {
      case Step.string: {
        pos = this.#stringHeader(buffer, pos, end)
        if (pos < 0) return -1
        if (this.#depth === 0) this.#stringEncoding = this.#encoding
        this.#left = this.#length
        pc += 1
        break
      }
      case Step.length:
        pos = this.#plainLengthAt(buffer, pos, end)
        if (pos < 0) return -1
        pc += 1
        break
      case Step.bytes:
        this.#left = program[pc + 1]!
        pc += 2
        break
      case Step.score: {
        if (pos >= end) return -1
        const length = buffer[pos]!
        this.#left = length >= 253 ? 0 : length
        pos += 1
        pc += 1
        break
      }
      case Step.repeat: {
        const at = pos
        pos = this.#plainLengthAt(buffer, pos, end)
        if (pos < 0) return -1
        const body = program[pc + 1]!
        if (this.#length > Number.MAX_SAFE_INTEGER) this.#fail('malformed', 'A count is impossibly large', at)
        pc += 2
        if (this.#length === 0) {
          if (this.#depth === 0 && this.#type?.counted === true) this.#dropped = true
          pc += body
        } else {
          this.#loopStart[this.#depth] = pc
          this.#loopEnd[this.#depth] = pc + body
          this.#loopLeft[this.#depth] = this.#length
          this.#depth += 1
        }
        break
      }
      case Step.strings:
        if (this.#strings === 0) {
          const at = pos
          pos = this.#plainLengthAt(buffer, pos, end)
          if (pos < 0) return -1
          if (this.#length === 0 && this.#depth === 0 && this.#type?.counted === true) this.#dropped = true
          this.#strings = this.#length * program[pc + 1]!
          if (this.#strings > Number.MAX_SAFE_INTEGER)
            this.#fail('malformed', 'A count is impossibly large', at)
        } else {
          const passed = this.#passStrings(buffer, pos, end)
          if (passed === pos) {
            // One that is not there whole, or is malformed.
            pos = this.#stringHeader(buffer, pos, end)
            if (pos < 0) return -1
            this.#left = this.#length
            this.#strings -= 1
          } else {
            pos = passed
          }
        }
        if (this.#strings > 0) return pos
        pc += 2
        break
      case Step.moduleId:
        pos = this.#plainLengthAt(buffer, pos, end)
        if (pos < 0) return -1
        this.#modules.add(moduleName(this.#lengthHigh, this.#lengthLow))
        pc += 1
        break
      case Step.module: {
        pos = this.#moduleToken(buffer, pos, end)
        if (pos < 0) return -1
        if (this.#length === MODULE_EOF) pc += 1
        break
      }
      case Step.unreadable:
        this.#fail(
          'module',
          'A value was written by a module of a Redis 4.0 release candidate; only that module can read it',
          pos,
        )
        break
      default:
        this.#finishProgram()
        return pos
    }
    while (this.#depth > 0 && pc === this.#loopEnd[this.#depth - 1]) {
      const loop = this.#depth - 1
      this.#loopLeft[loop]! -= 1
      if (this.#loopLeft[loop]! > 0) {
        pc = this.#loopStart[loop]!
        break
      }
      this.#depth = loop
    }
    this.#pc = pc
    return pos
  }

  /** Passes by as many whole strings as there are, up to those that the step still wants. */
  #passStrings(buffer: Buffer, pos: number, end: number): number {
    let left = this.#strings
    while (left > 0) {
      const next = passString(buffer, pos, end)
      if (next < 0) break
      pos = next
      left -= 1
    }
    this.#strings = left
    return pos
  }

  /** The common case without detours: counts whole keys, with or without expiry, whose value is one string. */
  #passKeys(buffer: Buffer, pos: number, end: number): number {
    let keys = 0
    let expires = 0
    for (;;) {
      let at = pos
      let opcode = at < end ? buffer[at]! : Opcode.eof
      const expiring = opcode === Opcode.expireTimeMs
      if (expiring) {
        at += 9
        opcode = at < end ? buffer[at]! : Opcode.eof
      }
      if (IS_ONE_STRING[opcode] !== 1) break
      at = passString(buffer, at + 1, end)
      if (at < 0) break
      at = passString(buffer, at, end)
      if (at < 0) break
      keys += 1
      if (expiring) expires += 1
      pos = at
    }
    if (keys > 0) {
      const counts = this.#currentCounts()
      counts.keys += keys
      counts.expires += expires
    }
    return pos
  }

  #start(program: Uint8Array, type?: RdbType): void {
    this.#program = program
    this.#type = type
    this.#pc = 0
    this.#depth = 0
    this.#dropped = false
  }

  #finishProgram(): void {
    this.#state = State.top
    const type = this.#type
    if (type === undefined) return
    if (!this.#dropped) this.#count(type)
    this.#expires = false
  }

  #count(type: RdbType): void {
    const counts = this.#currentCounts()
    counts.keys += 1
    if (this.#expires) counts.expires += 1
    this.#handler?.({
      database: this.#database,
      key: this.#keptKey.value(),
      type: type.type,
      encoding: type.type === 'string' ? STRING_ENCODINGS[this.#stringEncoding]! : type.encoding,
      ...(this.#expires ? { expiresAtMs: this.#expiresAtMs } : {}),
    })
  }

  #currentCounts(): { keys: number; expires: number } {
    if (this.#counts === undefined) {
      this.#counts = this.#databases.get(this.#database) ?? { keys: 0, expires: 0 }
      this.#databases.set(this.#database, this.#counts)
    }
    return this.#counts
  }

  #header(buffer: Buffer, pos: number, end: number): number {
    const known = Math.min(end - pos, MAGIC.length)
    if (buffer.toString('latin1', pos, pos + known) !== MAGIC.slice(0, known)) {
      const valkey = buffer.toString('latin1', pos, end).slice(0, VALKEY_MAGIC.length)
      if (!VALKEY_MAGIC.startsWith(valkey)) this.#fail('not-rdb', 'This is not an RDB', pos)
      if (end - pos < HEADER_BYTES) return -1
      const version = buffer.toString('latin1', pos + VALKEY_MAGIC.length, pos + HEADER_BYTES)
      if (!/^\d+$/.test(version)) this.#fail('not-rdb', 'This is not an RDB', pos)
      this.#unsupported(Number(version), ' of Valkey')
    }
    if (end - pos < HEADER_BYTES) return -1
    const digits = buffer.toString('latin1', pos + MAGIC.length, pos + HEADER_BYTES)
    if (!/^\d{4}$/.test(digits)) this.#fail('not-rdb', 'This is not an RDB: it has no version', pos)
    this.#version = Number(digits)
    if (this.#version < 1 || this.#version > MAX_RDB_VERSION) this.#unsupported(this.#version, '')
    this.#state = State.top
    return pos + HEADER_BYTES
  }

  #unsupported(version: number, of: string): never {
    this.#fail(
      'version',
      `RDB version ${version}${of} is not supported (versions 1 to ${MAX_RDB_VERSION} of Redis are)`,
      0,
    )
  }

  /** A type byte or an opcode with its small operands. */
  #opcode(buffer: Buffer, pos: number, end: number): number {
    if (pos >= end) return -1
    const opcode = buffer[pos]!
    const operand = pos + 1
    switch (opcode) {
      case Opcode.expireTimeMs:
        if (end - operand < 8) return -1
        this.#expires = true
        this.#expiresAtMs = buffer.readInt32LE(operand + 4) * 2 ** 32 + buffer.readUInt32LE(operand)
        return operand + 8
      case Opcode.expireTime:
        if (end - operand < 4) return -1
        this.#expires = true
        this.#expiresAtMs = buffer.readInt32LE(operand) * 1000
        return operand + 4
      case Opcode.freq:
        return end - operand < 1 ? -1 : operand + 1
      case Opcode.idle:
        return this.#plainLengthAt(buffer, operand, end)
      case Opcode.selectDb: {
        const next = this.#plainLengthAt(buffer, operand, end)
        if (next < 0) return -1
        if (this.#length > MAX_DATABASE) this.#fail('malformed', 'A database number is too large', operand)
        this.#database = this.#length
        this.#counts = undefined
        return next
      }
      case Opcode.resizeDb:
        return this.#plainLengths(buffer, operand, end, 2)
      case Opcode.slotInfo:
        return this.#plainLengths(buffer, operand, end, 3)
      case Opcode.aux:
        this.#state = State.auxName
        return operand
      case Opcode.moduleAux:
        this.#state = State.program
        this.#start(MODULE_AUX_PROGRAM)
        return operand
      case Opcode.function2:
      case Opcode.functionPreGa:
        this.#functions += 1
        this.#state = State.program
        this.#start(opcode === Opcode.function2 ? FUNCTION_PROGRAM : FUNCTION_PRE_GA_PROGRAM)
        return operand
      case Opcode.eof:
        if (this.#version >= CHECKSUM_SINCE) {
          this.#crc.update(buffer, 0, operand)
          this.#state = State.checksum
        } else {
          this.#state = State.done
          this.#end = this.#base + operand
        }
        return operand
      default: {
        const type = RDB_TYPES[opcode]
        if (type === undefined) this.#fail('malformed', `Unknown type of value: ${opcode}`, pos)
        this.#state = State.key
        this.#start(type.program, type)
        return operand
      }
    }
  }

  #aux(): void {
    this.#state = State.top
    if (this.#keptName.value().toString('latin1') === 'redis-ver') {
      this.#redisVersion = this.#keptValue.value().toString('latin1')
    }
  }

  #readChecksum(buffer: Buffer, pos: number, end: number): number {
    if (end - pos < 8) return -1
    const low = buffer.readUInt32LE(pos)
    const high = buffer.readUInt32LE(pos + 4)
    if (low !== 0 || high !== 0) {
      if (low !== this.#crc.low || high !== this.#crc.high) {
        this.#fail('checksum', 'The checksum of the RDB is wrong', pos)
      }
      this.#checksum = 'ok'
    }
    this.#state = State.done
    this.#end = this.#base + pos + 8
    return pos + 8
  }

  /** One opcode of a module's value with its operand; leaves the opcode in `#length`. */
  #moduleToken(buffer: Buffer, pos: number, end: number): number {
    const operand = this.#plainLengthAt(buffer, pos, end)
    if (operand < 0) return -1
    const opcode = this.#length
    let next = operand
    if (opcode === MODULE_SINT || opcode === MODULE_UINT) {
      next = this.#plainLengthAt(buffer, operand, end)
    } else if (opcode === MODULE_FLOAT) {
      this.#left = 4
    } else if (opcode === MODULE_DOUBLE) {
      this.#left = 8
    } else if (opcode === MODULE_STRING) {
      next = this.#stringHeader(buffer, operand, end)
      if (next >= 0) this.#left = this.#length
    } else if (opcode !== MODULE_EOF) {
      this.#fail('malformed', `Unknown part of a module's value: ${opcode}`, pos)
    }
    this.#length = opcode
    return next
  }

  /** A string whose bytes go to `keeper` when it is no longer than `limit`; else they pass by. */
  #keepString(
    buffer: Buffer,
    pos: number,
    end: number,
    keeper: KeptString | undefined,
    limit: number,
  ): number {
    const next = this.#stringHeader(buffer, pos, end)
    if (next < 0) return -1
    this.#left = this.#length
    if (keeper === undefined) return next
    if (this.#plainLength <= limit && this.#length <= limit) {
      keeper.begin(this.#encoding, this.#plainLength)
      this.#keeper = keeper
    } else if (keeper === this.#keptKey) {
      this.#fail('malformed', 'A key is longer than a key can be', pos)
    } else {
      keeper.begin(StringEncoding.raw, 0)
    }
    return next
  }

  /**
   * The head of a string: leaves the number of bytes that follow in `#length`, how they are to be understood in
   * `#encoding`, and the string's own length in `#plainLength`. -1 when it is not there whole.
   */
  #stringHeader(buffer: Buffer, pos: number, end: number): number {
    if (pos >= end) return -1
    const first = buffer[pos]!
    if (first < 0xc0) {
      const next = this.#lengthAt(buffer, pos, end)
      if (next >= 0) {
        this.#encoding = StringEncoding.raw
        this.#plainLength = this.#length
        this.#checkLength(pos)
      }
      return next
    }
    const kind = first & 0x3f
    if (kind < 3) {
      this.#encoding = StringEncoding.int
      this.#length = 1 << kind
      this.#plainLength = this.#length
      return pos + 1
    }
    if (kind > 3) this.#fail('malformed', `Unknown encoding of a string: ${kind}`, pos)
    const lengths = this.#plainLengthAt(buffer, pos + 1, end)
    if (lengths < 0) return -1
    this.#checkLength(pos)
    const compressed = this.#length
    const next = this.#plainLengthAt(buffer, lengths, end)
    if (next < 0) return -1
    this.#checkLength(pos)
    this.#encoding = StringEncoding.lzf
    this.#plainLength = this.#length
    this.#length = compressed
    return next
  }

  #checkLength(pos: number): void {
    if (this.#length > Number.MAX_SAFE_INTEGER) this.#fail('malformed', 'A string is impossibly long', pos)
  }

  #plainLengths(buffer: Buffer, pos: number, end: number, count: number): number {
    let next = pos
    for (let done = 0; done < count && next >= 0; done += 1) next = this.#plainLengthAt(buffer, next, end)
    return next
  }

  /** A length where a string's special encoding may not stand. */
  #plainLengthAt(buffer: Buffer, pos: number, end: number): number {
    if (pos < end && buffer[pos]! >= 0xc0) this.#fail('malformed', 'A length was expected', pos)
    return this.#lengthAt(buffer, pos, end)
  }

  /** A length-encoded number into `#length` (and its halves); -1 when it is not there whole. */
  #lengthAt(buffer: Buffer, pos: number, end: number): number {
    if (pos >= end) return -1
    const first = buffer[pos]!
    if (first < 0x40) {
      this.#lengthHigh = 0
      this.#length = this.#lengthLow = first
      return pos + 1
    }
    if (first < 0x80) {
      if (end - pos < 2) return -1
      this.#lengthHigh = 0
      this.#length = this.#lengthLow = ((first & 0x3f) << 8) | buffer[pos + 1]!
      return pos + 2
    }
    if (first === 0x80) {
      if (end - pos < 5) return -1
      this.#lengthHigh = 0
      this.#length = this.#lengthLow = buffer.readUInt32BE(pos + 1)
      return pos + 5
    }
    if (first !== 0x81) this.#fail('malformed', 'A length was expected', pos)
    if (end - pos < 9) return -1
    this.#lengthHigh = buffer.readUInt32BE(pos + 1)
    this.#lengthLow = buffer.readUInt32BE(pos + 5)
    this.#length = this.#lengthHigh * 2 ** 32 + this.#lengthLow
    return pos + 9
  }

  /** `pos` counts from the buffer at hand. */
  #fail(problem: RdbProblem, message: string, pos: number): never {
    this.#failure = new RdbError(problem, message, this.#base + pos)
    throw this.#failure
  }
}

/** The position behind a string that is there whole; -1 when it is not, or is anything but well-formed. */
function passString(buffer: Buffer, pos: number, end: number): number {
  if (pos + 1 >= end) return pos < end && buffer[pos] === 0 ? pos + 1 : -1
  const first = buffer[pos]!
  let next: number
  if (first < 0x40) next = pos + 1 + first
  else if (first < 0x80) next = pos + 2 + (((first & 0x3f) << 8) | buffer[pos + 1]!)
  else if (first === 0x80) next = pos + 5 <= end ? pos + 5 + buffer.readUInt32BE(pos + 1) : -1
  else if (first >= 0xc0 && first <= 0xc2) next = pos + 1 + (1 << (first & 3))
  else if (first === 0xc3) next = passCompressed(buffer, pos + 1, end)
  else return -1
  return next <= end ? next : -1
}

/** Behind a compressed string with lengths below 16 KiB. */
function passCompressed(buffer: Buffer, pos: number, end: number): number {
  const first = buffer[pos]!
  let length: number
  if (first < 0x40) length = first
  else if (first < 0x80 && pos + 1 < end) length = ((first & 0x3f) << 8) | buffer[++pos]!
  else return -1
  pos += 1
  if (pos >= end) return -1
  const plain = buffer[pos]!
  if (plain < 0x40) return pos + 1 + length
  return plain < 0x80 ? pos + 2 + length : -1
}
