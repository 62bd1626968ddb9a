/**
 * The value types of RDB versions 1 to 12 and what each is made of (Redis src/rdb.h and rdbLoadObject in
 * src/rdb.c, 2.4 to 8.0). A value is described by a little program, so that the reader needs no code of its own
 * for any type and can stop and go on between any two bytes.
 */

/** What a step of a program reads. */
export const Step = {
  /** Ends a program. */
  end: 0,
  /** A string in any encoding; only passed by. */
  string: 1,
  /** A length-encoded integer that is not needed. */
  length: 2,
  /** A fixed number of bytes: the operand. */
  bytes: 3,
  /** A score as text: one byte of length, 253 to 255 for nan, inf and -inf. */
  score: 4,
  /** A length, then so many times the steps that follow, as many as the operand says (in program cells). */
  repeat: 5,
  /** A module's value: pairs of opcode and operand up to opcode 0. */
  module: 6,
  /** The 64-bit id of a module. */
  moduleId: 7,
  /** A value that can't be passed by. */
  unreadable: 8,
  /** A length, then so many times as many strings as the operand says: `repeat` of strings, but fast. */
  strings: 9,
} as const

/** Type names as Redis' TYPE command says them; `module` for any module type. */
export type RedisType = 'string' | 'list' | 'set' | 'zset' | 'hash' | 'stream' | 'module'

export interface RdbType {
  readonly type: RedisType
  /** How the value is written, after the constant in rdb.h. */
  readonly encoding: string
  readonly program: Uint8Array
  /** It has a count of elements, and Redis drops a key of zero elements when it loads (rdb.c, `emptykey`). */
  readonly counted: boolean
}

const string = [Step.string]
const length = [Step.length]
const score = [Step.score]
const strings = (each: number): number[] => [Step.strings, each]
const bytes = (count: number): number[] => [Step.bytes, count]
const repeat = (...steps: number[][]): number[] => {
  const body = steps.flat()
  return [Step.repeat, body.length, ...body]
}

/** Stream entry and node ids are raw: 16 bytes; times are 8 bytes of milliseconds. */
const ID = bytes(16)
const TIME = bytes(8)

function stream(version: 1 | 2 | 3): number[] {
  const consumer = [...string, ...TIME, ...(version >= 3 ? TIME : []), ...repeat(ID)]
  const group = [
    ...string,
    ...length, // last id: ms, sequence
    ...length,
    ...(version >= 2 ? length : []), // entries read
    ...repeat(ID, TIME, length), // pending entries: id, delivery time, delivery count
    ...repeat(consumer),
  ]
  return [
    ...strings(2), // master id, listpack
    ...length, // entries
    ...length, // last id: ms, sequence
    ...length,
    // first id, greatest deleted id, entries ever added
    ...(version >= 2 ? [...length, ...length, ...length, ...length, ...length] : []),
    ...repeat(group),
  ]
}

const value = (type: RedisType, encoding: string, ...steps: number[][]): RdbType => {
  const program = Uint8Array.from([...steps.flat(), Step.end])
  const counts = program.includes(Step.repeat) || program.includes(Step.strings)
  return { type, encoding, program, counted: type !== 'stream' && counts }
}

/** By type byte; undefined for bytes that are no type. */
export const RDB_TYPES: readonly (RdbType | undefined)[] = [
  value('string', 'string', string),
  value('list', 'list', strings(1)),
  value('set', 'set', strings(1)),
  value('zset', 'zset', repeat(string, score)),
  value('hash', 'hash', strings(2)),
  value('zset', 'zset-2', repeat(string, bytes(8))),
  value('module', 'module-pre-ga', [Step.unreadable]),
  value('module', 'module-2', [Step.moduleId, Step.module]),
  undefined,
  value('hash', 'hash-zipmap', string),
  value('list', 'list-ziplist', string),
  value('set', 'set-intset', string),
  value('zset', 'zset-ziplist', string),
  value('hash', 'hash-ziplist', string),
  value('list', 'list-quicklist', strings(1)),
  value('stream', 'stream-listpacks', stream(1)),
  value('hash', 'hash-listpack', string),
  value('zset', 'zset-listpack', string),
  value('list', 'list-quicklist-2', repeat(length, string)),
  value('stream', 'stream-listpacks-2', stream(2)),
  value('set', 'set-listpack', string),
  value('stream', 'stream-listpacks-3', stream(3)),
  // Field expiries, 7.4: its release candidates wrote absolute times and no minimum in front.
  value('hash', 'hash-metadata-pre-ga', repeat(length, string, string)),
  value('hash', 'hash-listpack-ex-pre-ga', string),
  value('hash', 'hash-metadata', TIME, repeat(length, string, string)),
  value('hash', 'hash-listpack-ex', TIME, string),
]

/** Indexed by type byte: 1 when the value is one string. */
export const IS_ONE_STRING = Uint8Array.from({ length: 256 }, (_, byte) => {
  const program = RDB_TYPES[byte]?.program
  return program?.[0] === Step.string && program[1] === Step.end ? 1 : 0
})

/** Bytes that stand where a type stands and are none (rdb.h, RDB_OPCODE_*). */
export const Opcode = {
  slotInfo: 244,
  function2: 245,
  functionPreGa: 246,
  moduleAux: 247,
  idle: 248,
  freq: 249,
  aux: 250,
  resizeDb: 251,
  expireTimeMs: 252,
  expireTime: 253,
  selectDb: 254,
  eof: 255,
} as const

/** A function library as one string of source. */
export const FUNCTION_PROGRAM = Uint8Array.from([Step.string, Step.end])
/** 7.0's release candidates: name, engine, whether there is a description, the description, the code. */
export const FUNCTION_PRE_GA_PROGRAM = Uint8Array.from([
  ...string,
  ...string,
  ...strings(1),
  ...string,
  Step.end,
])
/** A module's data beside the keys: id, `uint` opcode and when it was saved, then opcodes as in a value. */
export const MODULE_AUX_PROGRAM = Uint8Array.from([
  Step.moduleId,
  Step.length,
  Step.length,
  Step.module,
  Step.end,
])

const MODULE_NAME_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The nine characters that the upper 54 bits of a module id spell (src/module.c, moduleTypeNameByID). */
export function moduleName(high: number, low: number): string {
  let id = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
  id >>= 10n
  let name = ''
  for (let count = 0; count < 9; count += 1) {
    name = MODULE_NAME_CHARACTERS.charAt(Number(id & 63n)) + name
    id >>= 6n
  }
  return name
}
