/**
 * File names on a server are bytes. They are kept as Buffers, stored as JSON without loss, and shown to a
 * person with every control character and invalid byte escaped, so that no name can drive a terminal.
 */

/** A name in JSON: a plain string when it is valid UTF-8, else its base64. */
export type PathJson = string | { readonly base64: string }

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Text as its bytes, one char each. */
export function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

export function pathToJson(path: Uint8Array): PathJson {
  try {
    return strictUtf8.decode(path)
  } catch {
    return { base64: Buffer.from(path).toString('base64') }
  }
}

export function pathFromJson(path: PathJson): Buffer {
  return typeof path === 'string' ? Buffer.from(path, 'utf8') : Buffer.from(path.base64, 'base64')
}

/** A name, or any text that came from a server, safe to print: `\n`, `\x1b`, `\xff` are spelled out. */
export function printable(text: Uint8Array | string): string {
  const shown = typeof text === 'string' ? text : decodeLossless(text)
  // C0 and C1 controls, DEL, and the bidirectional overrides that can make a name read as another.
  return shown.replaceAll(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, escapeChar)
}

/** Like {@link printable}, but line breaks and tabs stay: for a remote tool's stderr. */
export function printableLines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.split('\t').map(printable).join('\t'))
    .join('\n')
}

function escapeChar(char: string): string {
  if (char === '\n') return '\\n'
  if (char === '\r') return '\\r'
  if (char === '\t') return '\\t'
  const code = char.charCodeAt(0)
  return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
}

function decodeLossless(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return Array.from(bytes, (byte) =>
      byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
    ).join('')
  }
}
