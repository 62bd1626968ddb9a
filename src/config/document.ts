import { misplacedKey, type MisplacedKey } from './indentation.ts'
import { isAlias, isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml'
import type { Document, ErrorCode, Node, Pair } from 'yaml'

export interface Position {
  /** 1-based. */
  readonly line: number
  readonly column: number
}

export type ConfigPath = readonly (string | number)[]

export interface SyntaxProblem {
  readonly position?: Position | undefined
  readonly message: string
  readonly suggestion?: string | undefined
}

/** A config file's text as plain data, which still knows where each key was written. */
export interface ConfigDocument {
  /** Undefined when there are problems. */
  readonly value: unknown
  readonly problems: readonly SyntaxProblem[]
  /** Where the value at a path begins, or the nearest thing around it; `key`: where its key does. */
  position(path: ConfigPath, at: 'key' | 'value'): Position | undefined
}

/** Far more than hundreds of hosts need; keeps a wrong file (a dump, a log) from being parsed for minutes. */
const MAX_CHARS = 4 * 1024 * 1024

/** Parses YAML 1.2 with anchors, aliases and merge keys; custom tags, duplicate keys and odd keys are problems. */
export function parseConfigDocument(text: string): ConfigDocument {
  if (text.length > MAX_CHARS) return failed({ message: 'The file is too large to be a config (over 4 MiB)' })
  const lines = new LineCounter()
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      // The library's own text quotes the source, which may hold a secret written in the wrong place.
      prettyErrors: false,
      merge: true,
    })
    const place = (offset: number): Position => {
      const { line, col } = lines.linePos(offset)
      return { line: Math.max(line, 1), column: Math.max(col, 1) }
    }
    const errors = [...document.errors, ...document.warnings]
    const isDepth = errors.some(({ code }) => OF_DEPTH.has(code))
    // Behind a quote that is not closed the lines are not what they seem.
    const isOpen = errors.some(({ code, message }) => code === 'MISSING_CHAR' && /quote/.test(message))
    const misplaced = isDepth && !isOpen ? misplacedKey(text) : undefined
    const problems: SyntaxProblem[] = errors
      .map((error) => ({
        position: place(error.pos[0]),
        ...(SYNTAX[error.code] ?? { message: 'is not valid YAML here' }),
      }))
      // What follows a key at a wrong depth is misread.
      .filter(({ position }) => misplaced === undefined || position.line < misplaced.line - 1)
    if (misplaced !== undefined) problems.push(depthProblem(misplaced))
    if (problems.length === 0) problems.push(...unusableKeys(document, place))
    if (problems.length > 0) return { value: undefined, problems, position: () => undefined }
    return {
      value: document.toJS({ maxAliasCount: 1000 }) as unknown,
      problems,
      position: (path, at) => {
        const offset = offsetOf(document, path, at)
        return offset === undefined ? undefined : place(offset)
      },
    }
  } catch (error) {
    // The library's own limit of aliases, or the stack's: an alias inside itself meets whichever is lower at the time.
    if (error instanceof ReferenceError || error instanceof RangeError) {
      return failed({
        message: 'is nested too deeply, or has too many aliases (&name, *name) or one inside itself',
      })
    }
    throw error
  }
}

function failed(problem: SyntaxProblem): ConfigDocument {
  return { value: undefined, problems: [problem], position: () => undefined }
}

/** What the parser says of a key at a wrong depth, among others. */
const OF_DEPTH = new Set<ErrorCode>([
  'BAD_INDENT',
  'BLOCK_AS_IMPLICIT_KEY',
  'MULTILINE_IMPLICIT_KEY',
  'UNEXPECTED_TOKEN',
  'MISSING_CHAR',
])

function depthProblem({ key, line, column, places, below }: MisplacedKey): SyntaxProblem {
  const columns = places.map((one) => `${one.column} (beside ${one.beside})`)
  return {
    position: { line, column },
    message:
      below === undefined
        ? `the key ${key} stands at column ${column}, where no map around it has its keys`
        : `the key ${key} stands deeper than ${below}, which has a value of its own`,
    suggestion: `Keys of the same map begin in the same column: here ${columns.join(' or ')}`,
  }
}

const QUOTE = 'Put values that begin with a special character or contain ": " or " #" in quotes'
const SYNTAX: Partial<Record<ErrorCode, { message: string; suggestion?: string }>> = {
  ALIAS_PROPS: { message: 'an alias (*name) can have no tag or anchor of its own' },
  BAD_ALIAS: { message: 'is an alias (*name) of an anchor that is not defined above', suggestion: QUOTE },
  BAD_DIRECTIVE: { message: 'is a YAML directive (%) that is not known', suggestion: QUOTE },
  BAD_DQ_ESCAPE: {
    message: 'has an escape (\\) that YAML does not know',
    suggestion: 'Use single quotes to write a backslash as it is',
  },
  BAD_INDENT: {
    message: 'is indented wrongly, or lacks a closing bracket',
    suggestion: 'Keys of the same map begin in the same column',
  },
  BAD_SCALAR_START: { message: 'begins with a character that YAML reserves', suggestion: QUOTE },
  BLOCK_AS_IMPLICIT_KEY: { message: 'has a second "key: " on the same line', suggestion: QUOTE },
  DUPLICATE_KEY: {
    message: 'is a key that was written before in the same map',
    suggestion: 'Remove one of the two',
  },
  KEY_OVER_1024_CHARS: { message: 'is a key that is too long' },
  MISSING_CHAR: { message: 'lacks a character: a colon, a comma, a quote or a bracket', suggestion: QUOTE },
  MULTILINE_IMPLICIT_KEY: {
    message: 'is a line without a colon, or a key over several lines',
    suggestion: 'Write `key: value`',
  },
  MULTIPLE_DOCS: { message: 'begins a second document (---)', suggestion: 'Keep only one' },
  NON_STRING_KEY: { message: 'is a key that is not plain text' },
  RESOURCE_EXHAUSTION: { message: 'is nested too deeply' },
  TAB_AS_INDENT: { message: 'is indented with a tab', suggestion: 'Indent with spaces' },
  TAG_RESOLVE_FAILED: { message: 'has a tag (!name), which this file does not use', suggestion: QUOTE },
  UNEXPECTED_TOKEN: { message: 'is not expected here', suggestion: QUOTE },
}

/**
 * Keys that are no plain text; `__proto__`, which JavaScript objects can't hold safely; and merge keys (`<<`)
 * of what is no map.
 */
function unusableKeys(document: Document, place: (offset: number) => Position): SyntaxProblem[] {
  const problems: SyntaxProblem[] = []
  visit(document, {
    Pair(_, { key, value }) {
      const message = keyProblem(document, key, value)
      if (message === undefined) return
      const offset = isNode(key) ? key.range?.[0] : undefined
      problems.push({ position: offset === undefined ? undefined : place(offset), message })
    },
  })
  return problems
}

function keyProblem(document: Document, key: unknown, value: unknown): string | undefined {
  if (!isScalar(key)) return 'is a key that is not plain text'
  if (key.value === '<<' || typeof key.value === 'symbol')
    return isMergeSource(document, value) ? undefined : 'takes an alias of a map (<<: *name)'
  if (key.value === null || key.value === '__proto__') return 'is not allowed as a key'
  return undefined
}

function isMergeSource(document: Document, value: unknown): boolean {
  const source = isAlias(value) ? value.resolve(document) : value
  if (!isSeq(source)) return isMap(source)
  return source.items.every((item) => isMap(isAlias(item) ? item.resolve(document) : item))
}

function offsetOf(document: Document, path: ConfigPath, at: 'key' | 'value'): number | undefined {
  let node: unknown = document.contents
  let found: number | undefined = isNode(node) ? node.range?.[0] : undefined
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document)
    const pair = isMap(node) ? node.items.find((item) => keyText(item) === String(step)) : undefined
    const next: unknown = pair?.value ?? (isSeq(node) ? node.items[Number(step)] : undefined)
    const keyOffset = pair && isNode(pair.key) ? pair.key.range?.[0] : undefined
    const valueOffset = isNode(next) ? next.range?.[0] : undefined
    const last = depth === path.length - 1
    const offset = last && at === 'value' ? (valueOffset ?? keyOffset) : (keyOffset ?? valueOffset)
    if (offset === undefined) break
    found = offset
    node = next
  }
  return found
}

function keyText(pair: Pair | Node): string | undefined {
  return isPair(pair) && isScalar(pair.key) ? String(pair.key.value) : undefined
}
