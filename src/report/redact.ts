import { Secret } from '../model/secret.ts'
import { formatCount } from '../model/units.ts'

const SECRET_KEYS = /passw(or)?d|passphrase|token|secret|credential|authorization/i
const MASK = '[secret]'
const MAX_DEPTH = 8

/**
 * A copy fit for a log: secrets by type and by the name of their key are masked, errors become plain data with
 * their causes, bytes become their length, and what goes in a circle or too deep is cut.
 */
export function redact(value: unknown): unknown {
  return redacted(value, 0)
}

function redacted(value: unknown, depth: number): unknown {
  if (value instanceof Secret) return MASK
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value !== 'object' || value === null) return value
  if (depth >= MAX_DEPTH) return '[deeper]'
  if (value instanceof Uint8Array) return `[${formatCount(value.byteLength, 'byte')}]`
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString()
  if (Array.isArray(value)) return value.map((item) => redacted(item, depth + 1))
  if (value instanceof Set) return redacted([...value], depth)
  if (value instanceof Map) return redacted(Object.fromEntries(value), depth)
  const fields = Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      SECRET_KEYS.test(key) && item !== undefined && item !== null ? MASK : redacted(item, depth + 1),
    ]),
  )
  if (!(value instanceof Error)) return fields
  // These are not enumerable, so the fields above lack them.
  const { name, message, stack, cause } = value
  return {
    ...fields,
    name,
    message,
    stack,
    ...(cause === undefined ? {} : { cause: redacted(cause, depth + 1) }),
  }
}
