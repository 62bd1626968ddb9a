/**
 * A value as one field of the lines that the restore scripts read (restore/scripts/lib/base.sh). Unprintable
 * characters, the backslash, and bytes that are no UTF-8 are written `\0ooo`. Throws RangeError on NUL and on the empty
 * value.
 */
export function encodeField(value: string | Uint8Array): string {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : Buffer.from(value)
  if (bytes.length === 0 || bytes.includes(0)) throw new RangeError('a field is not empty and holds no NUL')
  const wellFormed = Buffer.from(bytes.toString('utf8'), 'utf8').equals(bytes)
  return (wellFormed ? bytes.toString('utf8') : bytes.toString('latin1')).replaceAll(
    wellFormed ? /[\x00-\x1f\x7f\\]|^-$/g : /[^\x20-\x5b\x5d-\x7e]/g,
    (char) => `\\0${char.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )
}

/** The bytes that an encoded field stands for. */
export function decodeField(field: string): Buffer {
  const parts = field.split(/\\0([0-7]{3})/)
  return Buffer.concat(
    parts.map((part, at) =>
      at % 2 === 0 ? Buffer.from(part, 'utf8') : Buffer.from([Number.parseInt(part, 8)]),
    ),
  )
}

/** Joins fields to a line, as the scripts expect them. */
export function fieldLine(verb: string, ...fields: readonly string[]): string {
  return [verb, ...fields].join('\t')
}

/** The lines of a script's stdout, each split into its fields. */
export function fieldLines(stdout: Buffer): readonly (readonly string[])[] {
  return stdout
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'))
}
