/** One line of a multi-part AOF's manifest (Redis 7.0 and later, src/aof.c). */
export interface AofPart {
  readonly file: string
  readonly sequence: number
  /** Base, history (about to be removed, not loaded), increment. */
  readonly type: 'b' | 'h' | 'i'
}

/** Reads a manifest; undefined when it is none. */
export function parseAofManifest(text: string): readonly AofPart[] | undefined {
  const parts: AofPart[] = []
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const match = /^file (?:"((?:[^"\\]|\\.)*)"|(\S+)) seq (\d+) type ([bhi])/.exec(line)
    if (!match) return undefined
    const [, quoted, plain, sequence, type] = match
    parts.push({
      file: plain ?? unescape(quoted ?? ''),
      sequence: Number(sequence),
      type: type as AofPart['type'],
    })
  }
  return parts.length === 0 ? undefined : parts
}

// As sdscatrepr writes it.
function unescape(text: string): string {
  const letters: Record<string, string> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' }
  return text.replaceAll(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex: string | undefined, char: string) =>
    hex === undefined ? (letters[char] ?? char) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}
