import { damageAt } from './damage.ts'

/**
 * Records of a pax extended header, in order. Of two with the same key the later one counts. Values are bytes and may
 * hold anything.
 */
export type PaxRecords = Map<string, Buffer>

/** Prefix of the records that carry extended attributes (Jörg Schilling's star; GNU tar and bsdtar follow it). */
export const XATTR_PREFIX = 'SCHILY.xattr.'

const NEWLINE = 0x0a
const SPACE = 0x20
const EQUALS = 0x3d
const ZERO = 0x30

/**
 * Reads `length key=value\n` records (POSIX.1-2017, pax, "Extended Header"). The values share memory with
 * `data`. Throws DamageError `tar-pax-header`; `offset` is where the header's block begins.
 */
export function parsePaxRecords(data: Buffer, offset: number): PaxRecords {
  const records: PaxRecords = new Map()
  const malformed = () => damageAt('tar-pax-header', offset, 'An extended (pax) tar header is malformed')
  let at = 0
  while (at < data.length) {
    let length = 0
    let digits = at
    for (; data[digits] !== SPACE; digits += 1) {
      const digit = (data[digits] ?? 0) - ZERO
      if (digit < 0 || digit > 9 || digits - at > 10) throw malformed()
      length = length * 10 + digit
    }
    const end = at + length
    const equals = data.indexOf(EQUALS, digits)
    if (end > data.length || equals === -1 || equals >= end - 1 || equals === digits + 1) throw malformed()
    if (data[end - 1] !== NEWLINE) throw malformed()
    records.set(data.toString('utf8', digits + 1, equals), data.subarray(equals + 1, end - 1))
    at = end
  }
  return records
}

/** One record with its own length in front. */
export function encodePaxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')])
  let length = rest.length
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return Buffer.concat([Buffer.from(String(length)), rest])
}

/** A decimal integer that fits a JS number, or undefined. */
export function parsePaxInteger(value: Buffer): number | undefined {
  const text = value.toString('latin1')
  if (!/^\d{1,16}$/.test(text)) return undefined
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : undefined
}

/** `-1.5` seconds as nanoseconds, or undefined. Digits finer than a nanosecond are dropped. */
export function parsePaxTime(value: Buffer): bigint | undefined {
  const match = /^(-?)(\d{1,24})(?:\.(\d*))?$/.exec(value.toString('latin1'))
  if (!match) return undefined
  const [, sign, seconds = '0', fraction = ''] = match
  const ns = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'))
  return sign === '-' ? -ns : ns
}

/** The inverse of {@link parsePaxTime}. */
export function formatPaxTime(ns: bigint): string {
  const size = ns < 0n ? -ns : ns
  const fraction = String(size % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '')
  return `${ns < 0n ? '-' : ''}${size / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}`
}

/** GNU tar writes `=` and `%` of an attribute's name as `%3D` and `%25`, for a key can't hold `=`. */
export function decodeXattrName(name: string): string {
  return name.replaceAll('%3D', '=').replaceAll('%25', '%')
}

/** The inverse of {@link decodeXattrName}. */
export function encodeXattrName(name: string): string {
  return name.replaceAll('%', '%25').replaceAll('=', '%3D')
}
