/** What GNU tar said while it packed, sorted. Names are latin1, one char a byte, as tar was told them. */
export interface TarMessages {
  /** Written to while it was read, or shrunk and padded with zeros. */
  readonly changed: readonly string[]
  readonly shrunk: readonly string[]
  /** Removed between the listing and the reading. */
  readonly vanished: readonly string[]
  /** Given to tar by name, and not there. */
  readonly missing: readonly string[]
  readonly sockets: readonly string[]
  readonly denied: readonly string[]
  /** Extended attributes that could not be read. */
  readonly attributes: number
  /** Lines that are none of these. */
  readonly others: readonly string[]
}

const NAMED: readonly (readonly [RegExp, keyof Omit<TarMessages, 'attributes' | 'others'>])[] = [
  [/^tar: (.+): file changed as we read it$/, 'changed'],
  [/^tar: (.+): File shrank by \d+ bytes?; padding with zeros$/, 'shrunk'],
  [/^tar: (.+): File removed before we read it$/, 'vanished'],
  // The second: a file took the place of a directory above it.
  [/^tar: (.+): Cannot (?:stat|open): (?:No such file or directory|Not a directory)$/, 'missing'],
  [/^tar: (.+): socket ignored$/, 'sockets'],
  [
    /^tar: (.+): (?:Cannot|Warning: Cannot) (?:stat|open|read|savedir|readlink): Permission denied$/,
    'denied',
  ],
]

const ATTRIBUTES = /^tar: .+: Warning: Cannot (?:\S*xattr\S*|acl_\S+|\S*filecon\S*): /
const SUMMARY =
  /^tar: (?:Exiting with failure status due to previous errors|Error is not recoverable: exiting now)$/

/** Reads the messages of GNU tar in the C locale with `--quoting-style=escape`: one line each, no name can forge one. */
export function parseTarMessages(stderr: string): TarMessages {
  const named = {
    changed: [] as string[],
    shrunk: [] as string[],
    vanished: [] as string[],
    missing: [] as string[],
    sockets: [] as string[],
    denied: [] as string[],
  }
  const others: string[] = []
  let attributes = 0
  for (const line of stderr.split('\n')) {
    if (line === '' || SUMMARY.test(line)) continue
    if (ATTRIBUTES.test(line)) {
      attributes += 1
      continue
    }
    const hit = NAMED.map(([pattern, key]) => ({ key, name: pattern.exec(line)?.[1] })).find(
      ({ name }) => name !== undefined,
    )
    if (hit?.name === undefined) others.push(line)
    else named[hit.key].push(unescapeName(hit.name))
  }
  return { ...named, attributes, others }
}

const LETTERS: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** A name as `--quoting-style=escape` writes it (`\n`, `\377`, `\:`), back in bytes as latin1. */
export function unescapeName(name: string): string {
  return name.replaceAll(/\\(?:([0-7]{3})|([^]))/g, (_match, octal: string | undefined, char: string) =>
    octal === undefined ? (LETTERS[char] ?? char) : String.fromCharCode(Number.parseInt(octal, 8)),
  )
}
