import { createHash } from 'node:crypto'

/** Behind the value in what DUMP answers: 2 bytes of RDB version, 8 of checksum (createDumpPayload in cluster.c). */
const FOOTER_BYTES = 10

// rdb.h: the types that are written in the order of a hash table, which every process has its own of.
const TYPE_SET = 2
const TYPE_HASH = 4

/**
 * Tells a value from a changed one: a hash of what DUMP answers, without the version of the server, and with the
 * members of sets and hashes in an order of their own.
 */
export function fingerprint(payload: Buffer): string {
  const value = payload.subarray(0, Math.max(0, payload.length - FOOTER_BYTES))
  const hash = createHash('sha256')
  const width = value[0] === TYPE_SET ? 1 : value[0] === TYPE_HASH ? 2 : 0
  const members = width === 0 ? undefined : splitMembers(value, width)
  if (members === undefined) {
    hash.update(value)
  } else {
    hash.update(value.subarray(0, 1))
    // Each begins with its own length, so that nothing can run into the next.
    for (const member of members.toSorted(Buffer.compare)) hash.update(member)
  }
  return hash.digest('hex').slice(0, 32)
}

/** The members as they are encoded, `width` strings each; undefined when it is not such a value. */
function splitMembers(value: Buffer, width: number): readonly Buffer[] | undefined {
  const count = lengthAt(value, 1)
  if (count === undefined || count.encoded) return undefined
  const members: Buffer[] = []
  let at = count.next
  for (let index = 0; index < count.length; index += 1) {
    const start = at
    for (let part = 0; part < width; part += 1) {
      const next = stringEnd(value, at)
      if (next === undefined) return undefined
      at = next
    }
    members.push(value.subarray(start, at))
  }
  return at === value.length ? members : undefined
}

/** Where the string that begins here ends. */
function stringEnd(value: Buffer, at: number): number | undefined {
  const head = lengthAt(value, at)
  if (head === undefined) return undefined
  let end = head.next + head.length
  if (head.encoded) {
    // 0, 1, 2: an integer of 1, 2, 4 bytes; 3: compressed, with both lengths in front.
    if (head.length < 3) {
      end = head.next + 2 ** head.length
    } else {
      const packed = lengthAt(value, head.next)
      const plain = packed && lengthAt(value, packed.next)
      if (packed === undefined || plain === undefined) return undefined
      end = plain.next + packed.length
    }
  }
  return end <= value.length ? end : undefined
}

/** A length of the RDB format (rdbLoadLenByRef in rdb.c). */
function lengthAt(value: Buffer, at: number): { length: number; next: number; encoded: boolean } | undefined {
  const first = value[at]
  if (first === undefined) return undefined
  const low = first & 0x3f
  switch (first >> 6) {
    case 0:
      return { length: low, next: at + 1, encoded: false }
    case 1:
      return at + 2 > value.length
        ? undefined
        : { length: (low << 8) | (value[at + 1] ?? 0), next: at + 2, encoded: false }
    case 3:
      return { length: low, next: at + 1, encoded: true }
    default:
      if (first === 0x80 && at + 5 <= value.length) {
        return { length: value.readUInt32BE(at + 1), next: at + 5, encoded: false }
      }
      if (first === 0x81 && at + 9 <= value.length) {
        return { length: Number(value.readBigUInt64BE(at + 1)), next: at + 9, encoded: false }
      }
      return undefined
  }
}
