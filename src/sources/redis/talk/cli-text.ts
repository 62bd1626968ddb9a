import { ReplyError } from './connection.ts'
import type { Argument, Reply } from './connection.ts'

/** A command as redis-cli reads it (sdssplitargs): every word in quotes, without its line break. */
export function writeCommand(args: readonly Argument[]): string {
  return args.map((arg) => quote(typeof arg === 'string' ? Buffer.from(arg) : arg)).join(' ')
}

function quote(bytes: Buffer): string {
  const text = bytes
    .toString('latin1')
    .replaceAll(/[^ -~]|["\\]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
  return `"${text}"`
}

/** How long a command took, which redis-cli says of slow ones. */
const ELAPSED = /^\(\d+\.\d\ds\)$/

/**
 * One answer as `redis-cli --no-raw` writes it (cliFormatReplyTTY); bytes are latin1. Undefined when the lines are
 * none, or more.
 */
export function parseAnswer(lines: readonly string[]): Reply | undefined {
  const own = lines.filter((line) => !ELAPSED.test(line))
  const parsed = parseValue(own, 0, 0)
  return parsed?.next === own.length ? parsed.reply : undefined
}

interface Parsed {
  readonly reply: Reply
  /** The line behind it. */
  readonly next: number
}

function parseValue(lines: readonly string[], at: number, column: number): Parsed | undefined {
  const text = lines[at]?.slice(column)
  if (text === undefined) return undefined
  if (ITEM.test(text)) return parseItems(lines, at, column)
  const reply = parseScalar(text)
  return reply === undefined ? undefined : { reply, next: at + 1 }
}

const ITEM = /^( *)(\d+)\) /

/** Items are numbered from 1; those of a list in a list are indented below its first one. */
function parseItems(lines: readonly string[], from: number, column: number): Parsed | undefined {
  const items: Reply[] = []
  let at = from
  for (;;) {
    const line = lines[at] ?? ''
    const isOwn = at === from || line.slice(0, column).trim() === ''
    const item = isOwn ? ITEM.exec(line.slice(column)) : null
    if (item === null || Number(item[2]) !== items.length + 1) break
    const value = parseValue(lines, at, column + item[0].length)
    if (value === undefined) return undefined
    items.push(value.reply)
    at = value.next
  }
  return items.length === 0 ? undefined : { reply: items, next: at }
}

function parseScalar(text: string): Reply | undefined {
  const integer = /^\(integer\) (-?\d+)$/.exec(text)?.[1]
  if (integer !== undefined) return Number(integer)
  if (text === '(nil)') return null
  if (text.startsWith('(error) ')) return new ReplyError(text.slice('(error) '.length))
  if (/^\(empty .*\)$/.test(text)) return []
  if (text.startsWith('"')) return text.length > 1 && text.endsWith('"') ? unquote(text) : undefined
  // A status: OK, Background saving started.
  return /^[A-Z][A-Za-z ]*$/.test(text) ? Buffer.from(text, 'latin1') : undefined
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' }

function unquote(text: string): Buffer {
  const plain = text
    .slice(1, -1)
    .replaceAll(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex: string | undefined, char: string) =>
      hex === undefined ? (ESCAPES[char] ?? char) : String.fromCharCode(Number.parseInt(hex, 16)),
    )
  return Buffer.from(plain, 'latin1')
}
