/** The directives of a Redis config that say how it persists, by lower-case name; the last one of each counts. */
export type Directives = ReadonlyMap<string, string>

/** A line of a config file: a directive and its first value. */
export interface ConfigLine {
  readonly name: string
  readonly value: string
}

/** Reads a config file's lines. Comments, and lines that Redis would not take either, are left out. */
export function parseConfig(text: string): readonly ConfigLine[] {
  return text.split('\n').flatMap((line) => {
    const words = splitWords(line.trim())
    const [name, value] = words ?? []
    if (name === undefined || value === undefined || name.startsWith('#')) return []
    return [{ name: name.toLowerCase(), value }]
  })
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' }

/** As Redis takes a line apart (sdssplitargs in src/sds.c); undefined when its quotes do not match. */
export function splitWords(line: string): readonly string[] | undefined {
  const word = /\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s"']+))(?=\s|$)/y
  const words: string[] = []
  const text = line.trimEnd()
  while (word.lastIndex < text.length) {
    const match = word.exec(text)
    if (!match) return undefined
    const [, double, single, plain] = match
    words.push(
      plain ??
        single?.replaceAll("\\'", "'") ??
        (double ?? '').replaceAll(
          /\\(?:x([0-9a-fA-F]{2})|(.))/g,
          (_, hex: string | undefined, char: string) =>
            hex === undefined ? (ESCAPES[char] ?? char) : String.fromCharCode(Number.parseInt(hex, 16)),
        ),
    )
  }
  return words
}

/** What a redis-server was started with. */
export interface StartArguments {
  /** The config file as given; undefined: none, `-`: from stdin. */
  readonly file?: string | undefined
  readonly directives: Directives
}

/** Reads the words of a command line, the program's own name first. */
export function parseArguments(words: readonly string[]): StartArguments {
  const directives = new Map<string, string>()
  let at = 1
  const first = words[1]
  const file = first !== undefined && (first === '-' || !first.startsWith('-')) ? first : undefined
  if (file !== undefined) at = 2
  for (; at < words.length; at += 1) {
    const word = words[at] ?? ''
    if (!word.startsWith('--')) continue
    // `--appendonly yes`, or all in one word: `--appendonly "yes"` quoted as a whole.
    const [name = '', inline] = splitWords(word.slice(2)) ?? []
    const value = inline ?? words[at + 1]
    if (value !== undefined) directives.set(name.toLowerCase(), value)
  }
  return { file, directives }
}

/**
 * The command line of a running server from `/proc/PID/cmdline`, each word ended by a line break; undefined when
 * Redis has written its title over it (`redis-server *:6379`, src/setproctitle.c), as it does by default.
 */
export function parseCommandLine(text: string): StartArguments | undefined {
  const words = text.split('\n')
  while (words.at(-1) === '') words.pop()
  if (words.length > 1) return parseArguments(words)
  const [only = ''] = words
  return /\s/.test(only) || text.length > only.length + 1 || only === ''
    ? undefined
    : { directives: new Map() }
}

/**
 * How many bytes of options the command line of a running server can have behind the program's and the config file's
 * name, when Redis has written its title over it (see {@link parseCommandLine}). The kernel keeps the length: what the
 * title leaves is filled with NUL, and a title that is longer was longer than all arguments. `file` is absolute, as INFO
 * tells it; the command line may have had only its last part. Undefined when the text is no such title.
 */
export function roomForOptions(text: string, file: string | undefined): number | undefined {
  const title = /^([^\n]*)\n/.exec(text)?.[1] ?? ''
  const program = /^(\S+) /.exec(title)?.[1]
  if (program === undefined) return undefined
  const all = Buffer.byteLength(text)
  const behind = all - Buffer.byteLength(program) - 1
  if (file === undefined) return behind
  const whole = Buffer.byteLength(file) + 1
  if (behind === whole && all > Buffer.byteLength(title) + 1) return 0
  return behind - Buffer.byteLength(file.slice(file.lastIndexOf('/') + 1)) - 1
}

/**
 * The command line of a systemd unit from `systemctl show -p ExecStart`; undefined when it is not Redis' own or has
 * variables in it.
 */
export function parseExecStart(text: string): StartArguments | undefined {
  const commands = [...text.matchAll(/argv\[\]=(.*?) ; ignore_errors=/g)]
  const words = commands.length === 1 ? splitWords(commands[0]?.[1] ?? '') : undefined
  if (words === undefined || words.some((word) => word.includes('$') || word.includes('%'))) return undefined
  const program = words[0]?.split('/').at(-1) ?? ''
  return /^(?:redis|valkey|keydb)-server/.test(program) ? parseArguments(words) : undefined
}
