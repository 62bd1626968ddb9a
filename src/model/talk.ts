/**
 * The one format in which scripts and we talk (remote/scripts/lib/talk.sh): records, one a line, their fields parted by
 * one TAB. The first says what the record is. Values are encoded, see {@link encodeField}.
 */
export type TalkRecord = readonly string[]

/** The records of a script's stdout. */
export function fieldLines(stdout: Buffer): readonly TalkRecord[] {
  return stdout
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map(fieldsOf)
}

/** A line as its fields. */
export function fieldsOf(line: string): TalkRecord {
  return line.split('\t')
}

/** The same of a script that says `end` last; undefined when the answer is not whole. */
export function wholeRecords(stdout: Buffer): readonly TalkRecord[] | undefined {
  const records = fieldLines(stdout)
  return records.at(-1)?.[0] === 'end' ? records.slice(0, -1) : undefined
}

/** Joins fields to a record, as the scripts expect them. */
export function fieldLine(verb: string, ...fields: readonly string[]): string {
  return [verb, ...fields].join('\t')
}

/**
 * A value as a field: what is not printable, the backslash, and bytes that are no UTF-8 as `\0ooo`. Throws RangeError on
 * NUL and on the empty value.
 */
export function encodeField(value: string | Uint8Array): string {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : Buffer.from(value)
  if (bytes.length === 0 || bytes.includes(0)) throw new RangeError('a field is not empty and holds no NUL')
  const wellFormed = Buffer.from(bytes.toString('utf8'), 'utf8').equals(bytes)
  return (wellFormed ? bytes.toString('utf8') : bytes.toString('latin1')).replaceAll(
    wellFormed ? /[\x00-\x1f\x7f\\]|^-$/g : /[^\x20-\x5b\x5d-\x7e]/g,
    octal,
  )
}

/** Any bytes for `printf %b`. A NUL that no octal digit follows needs two characters only. */
export function encodeBytes(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replaceAll(/[^A-Za-z0-9._/-]/g, (char, at: number, text: string) =>
      char === '\0' && !/[0-7]/.test(text.charAt(at + 1)) ? '\\0' : octal(char),
    )
}

function octal(char: string): string {
  return `\\0${char.charCodeAt(0).toString(8).padStart(3, '0')}`
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

/** The same of a field that may be empty. */
export function decodeBytes(field: string): Buffer {
  return field === '-' ? Buffer.alloc(0) : decodeField(field)
}

/** The text of a field that may be empty. */
export function decodeText(field: string | undefined): string {
  return field === undefined ? '' : decodeBytes(field).toString('utf8')
}
