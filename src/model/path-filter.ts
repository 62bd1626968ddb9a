import ignore from 'ignore'
import { latin1 } from './path-bytes.ts'

/** The directories that restores and we ourselves leave on a server. They are no part of a backup. */
export const ALWAYS_EXCLUDED = '.relay-backup'

/** The library remembers every path that it was asked about, so a new one takes its place after so many. */
const ASKED = 20_000

/** How many names an example of what a pattern excludes has. */
const EXAMPLES = 3

/** A path of a source, as its members are named. */
export interface FilterRoot {
  readonly name: string
  /** Under the deployment, or under `/`. */
  readonly base: 'deployment' | 'root'
}

/** A pattern as it counts below one path of a source: in the syntax of `.gitignore`, relative to that path. */
interface RootPattern {
  /** In the source's list. */
  readonly index: number
  readonly text: string
}

/**
 * What a source's `exclude` leaves out: each path of the source is taken as if it held a `.gitignore` with these
 * lines. A pattern may also name the place by the path as the config has it, or absolute. The paths themselves are
 * asked for by name, and never left out. Names are members', in latin1, a char a byte.
 */
export class PathFilter {
  readonly #patterns: readonly string[]
  readonly #roots: readonly { readonly name: string; readonly patterns: readonly RootPattern[] }[]
  readonly #found: { count: number; readonly names: string[] }[]
  #matchers = new Map<string, ReturnType<typeof ignore>>()
  #asked = 0
  /** The directory that was left out last. */
  #below = '\0'

  constructor(patterns: readonly string[], roots: readonly FilterRoot[], deployment: string | undefined) {
    this.#patterns = patterns
    this.#roots = roots.map((root) => ({
      name: latin1(root.name),
      patterns: patternsBelow(patterns, root, roots, deployment),
    }))
    this.#found = patterns.map(() => ({ count: 0, names: [] }))
  }

  /** Ask about a directory before you ask about what is in it: then it is counted once. */
  excludes(name: string, isDirectory: boolean): boolean {
    if (name.startsWith(this.#below) || isOurs(name)) return true
    const root = this.#roots.find((one) => name === one.name || name.startsWith(`${one.name}/`))
    if (root === undefined || root.patterns.length === 0 || name === root.name) return false
    const path = name.slice(root.name.length + 1)
    const result = this.#matcher(root).test(isDirectory ? `${path}/` : path)
    if (!result.ignored) return false
    const text = result.rule?.pattern
    const found = this.#found[root.patterns.find((one) => one.text === text)?.index ?? -1]
    if (found !== undefined) {
      found.count += 1
      if (found.names.length < EXAMPLES) found.names.push(name)
    }
    if (isDirectory) this.#below = `${name}/`
    return true
  }

  /** What each pattern has left out so far; names in latin1, directories without what is in them. */
  get matches(): readonly {
    readonly pattern: string
    readonly count: number
    readonly names: readonly string[]
  }[] {
    return this.#patterns.map((pattern, at) => ({ pattern, ...(this.#found[at] ?? { count: 0, names: [] }) }))
  }

  /** The patterns that have left out nothing. Patterns that keep something (`!…`) are not among them. */
  get unmatched(): readonly string[] {
    return this.matches
      .filter(({ pattern, count }) => count === 0 && !pattern.startsWith('!'))
      .map(({ pattern }) => pattern)
  }

  /**
   * An expression for find: the directories and files that find need not look into, because no other pattern brings
   * them back. find still lists these themselves.
   */
  get findPrune(): readonly string[] {
    const simple = this.#patterns.some((pattern) => pattern.startsWith('!'))
      ? []
      : this.#patterns.filter((pattern) => /^[\w.*?-]+\/?$/.test(pattern) && !pattern.includes('**'))
    const basenames = this.#roots.map(({ name }) => name.slice(name.lastIndexOf('/') + 1))
    return [ALWAYS_EXCLUDED, ...simple]
      .filter((pattern) => {
        const matcher = ignore({ ignorecase: false, allowRelativePaths: true }).add([latin1(pattern)])
        return !basenames.some((name) => matcher.ignores(`${name}/`))
      })
      .flatMap((pattern, at) => [
        ...(at === 0 ? [] : ['-o']),
        '-name',
        pattern.replace(/\/$/, ''),
        ...(pattern.endsWith('/') ? ['-type', 'd'] : []),
      ])
  }

  #matcher(root: {
    readonly name: string
    readonly patterns: readonly RootPattern[]
  }): ReturnType<typeof ignore> {
    this.#asked += 1
    if (this.#asked % ASKED === 0) this.#matchers.clear()
    let matcher = this.#matchers.get(root.name)
    if (matcher === undefined) {
      matcher = ignore({ ignorecase: false, allowRelativePaths: true }).add(
        root.patterns.map(({ text }) => text),
      )
      this.#matchers.set(root.name, matcher)
    }
    return matcher
  }
}

/**
 * The patterns that count below one path of a source, in order, for the scripts of a restore: `+` or `!`; `d` for
 * directories alone or `-`; `a` when the rest is a path from there on, or `n` when it is the name of anything below it;
 * then a shell pattern, in which `**` stands for any number of directories.
 */
export function shellRules(
  patterns: readonly string[],
  root: FilterRoot,
  roots: readonly FilterRoot[],
  deployment: string | undefined,
): readonly string[] {
  return patternsBelow(patterns, root, roots, deployment).map(({ text }) => {
    const isNegated = text.startsWith('!')
    const body = Buffer.from(isNegated ? text.slice(1) : text, 'latin1')
      .toString('utf8')
      .replace(/(?<!\\)\s+$/, '')
    const isDirectory = body.endsWith('/')
    const path = (isDirectory ? body.slice(0, -1) : body).replaceAll('[^', '[!')
    const isAnchored = path.includes('/')
    return `${isNegated ? '!' : '+'}${isDirectory ? 'd' : '-'}${isAnchored ? 'a' : 'n'}${path.replace(/^\//, '')}`
  })
}

function patternsBelow(
  patterns: readonly string[],
  root: FilterRoot,
  roots: readonly FilterRoot[],
  deployment: string | undefined,
): RootPattern[] {
  return patterns.flatMap((pattern, index) => {
    const isNegated = pattern.startsWith('!')
    const body = (isNegated ? pattern.slice(1) : pattern).replace(/^\.\//, '/')
    const named = roots
      .flatMap((one) => spellings(one, deployment).map((spelling) => ({ one, spelling })))
      .filter(({ spelling }) => body.startsWith(`${spelling}/`) && body.length > spelling.length + 1)
      .sort((a, b) => b.spelling.length - a.spelling.length)[0]
    if (named !== undefined && named.one.name !== root.name) return []
    const text = named === undefined ? body : body.slice(named.spelling.length)
    return [{ index, text: latin1(isNegated ? `!${text}` : text) }]
  })
}

/** How a pattern may name a path of the source. */
function spellings({ name, base }: FilterRoot, deployment: string | undefined): readonly string[] {
  if (base === 'root') return [`/${name}`]
  return [name, `/${name}`, ...(deployment === undefined ? [] : [`${deployment}/${name}`])]
}

/** Whether a member lies in a directory of ours. */
export function isOurs(name: string): boolean {
  return (
    name === ALWAYS_EXCLUDED ||
    name.includes(`/${ALWAYS_EXCLUDED}/`) ||
    name.endsWith(`/${ALWAYS_EXCLUDED}`) ||
    name.startsWith(`${ALWAYS_EXCLUDED}/`)
  )
}
