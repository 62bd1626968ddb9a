/** A key that stands where no map around it has its keys. */
export interface MisplacedKey {
  readonly key: string
  /** 1-based, as is the column that it stands at. */
  readonly line: number
  readonly column: number
  /** Where it may stand: below which key, at which column. */
  readonly places: readonly { readonly column: number; readonly beside: string }[]
  /** The key before it, which has a value and so can have no keys below it; only of one that stands too deep. */
  readonly below?: string
}

const KEY = /^( *)((?:- +)*)("?)([A-Za-z0-9_][A-Za-z0-9_-]*)\3:(?: +(.*))?$/

/**
 * The first key of a YAML text that stands at a wrong depth, by its lines alone: the parser's own error names a place
 * before or behind it. Undefined where none is found. It reads block maps and lists; what is inside of brackets or of a
 * block of text is passed over.
 */
export function misplacedKey(text: string): MisplacedKey | undefined {
  /** The maps that are open, the outermost first, each with its last key. */
  const open: { indent: number; key: string; opens: boolean }[] = []
  let block: number | undefined
  let brackets = 0
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = withoutComment(raw)
    if (line.trim() === '') continue
    const spaces = line.length - line.trimStart().length
    if (block !== undefined && spaces > block) continue
    block = undefined
    if (brackets > 0) {
      brackets += bracketsOf(line)
      continue
    }
    const match = KEY.exec(line)
    if (match === null) {
      brackets += bracketsOf(line)
      continue
    }
    const [, blanks = '', dashes = '', , key = '', value = ''] = match
    const indent = blanks.length + dashes.length
    const known = open.findIndex((one) => one.indent === indent)
    const last = open.at(-1)
    // An item of a list may stand at any depth that the list begins with.
    const fits = last === undefined || known >= 0 || dashes !== '' || (indent > last.indent && last.opens)
    if (!fits) {
      const places = open.map((one) => ({ column: one.indent + 1, beside: one.key }))
      const isDeeper = indent > last.indent
      return {
        key,
        line: index + 1,
        column: indent + 1,
        places: isDeeper ? places.slice(-1) : places,
        ...(isDeeper ? { below: last.key } : {}),
      }
    }
    while (open.length > 0 && (open.at(-1)?.indent ?? 0) >= indent) open.pop()
    const isBlock = /^[|>][+-]?\d?$/.test(value.trim())
    if (isBlock) block = blanks.length
    brackets += bracketsOf(value)
    open.push({ indent, key, opens: value.trim() === '' || /^[&!]\S+$/.test(value.trim()) })
  }
  return undefined
}

/** How many brackets a line leaves open, apart from those in quotes. */
function bracketsOf(line: string): number {
  const plain = line.replaceAll(/"(?:\\.|[^"\\])*"|'[^']*'/g, '')
  return (plain.match(/[[{]/g) ?? []).length - (plain.match(/[\]}]/g) ?? []).length
}

function withoutComment(line: string): string {
  return line.replace(/(^|\s)#.*$/, '').trimEnd()
}
