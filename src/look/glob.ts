/**
 * A shell pattern for names: `*` and `?` stand for anything but a slash, `**` for any number of directories, `[a-z]` and
 * `[!a-z]` for one character. A pattern without a slash is about the last part of a path, any other about all of it.
 * Names are in latin1, a char a byte; `?` and `[…]` stand for one character of UTF-8, or for one byte that is none.
 */
export function globMatcher(pattern: string): (name: string) => boolean {
  const isPath = pattern.includes('/')
  const expression = new RegExp(`^${translate(pattern.replace(/^\//, '').replace(/\/$/, ''))}$`, 'su')
  return (name) => expression.test(characters(isPath ? name : name.slice(name.lastIndexOf('/') + 1)))
}

/** A sequence of UTF-8 in latin1, or a byte that is none. */
const BEYOND_ASCII = /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\x80-\xff]/g

/** The characters of a name. A byte that is none becomes half of a surrogate pair, which no pattern has. */
function characters(name: string): string {
  return name.replace(BEYOND_ASCII, (sequence) =>
    sequence.length === 1
      ? String.fromCharCode(0xdc00 + sequence.charCodeAt(0))
      : Buffer.from(sequence, 'latin1').toString('utf8'),
  )
}

function translate(glob: string): string {
  let out = ''
  for (let at = 0; at < glob.length; at += 1) {
    const char = glob[at] ?? ''
    if (glob.startsWith('**/', at)) {
      out += '(?:.*/)?'
      at += 2
    } else if (glob.startsWith('**', at)) {
      out += '.*'
      at += 1
    } else if (char === '*') out += out.endsWith('[^/]*') ? '' : '[^/]*'
    else if (char === '?') out += '[^/]'
    else if (char === '\\' && at + 1 < glob.length) {
      at += 1
      out += escaped(glob[at] ?? '')
    } else if (char === '[') {
      const end = glob.indexOf(']', glob[at + 1] === '!' || glob[at + 1] === '^' ? at + 3 : at + 2)
      if (end === -1) out += '\\['
      else {
        out += characterClass(glob.slice(at + 1, end))
        at = end
      }
    } else out += escaped(char)
  }
  return out
}

function characterClass(body: string): string {
  const isNegated = body.startsWith('!') || body.startsWith('^')
  const set = (isNegated ? body.slice(1) : body).replaceAll(/[\\\]^[]/g, '\\$&')
  // A range that goes backwards holds nothing, as in a shell.
  const ranges = [...set.matchAll(/(.)-(.)/gsu)]
  if (ranges.some(([, from = '', to = '']) => (from.codePointAt(0) ?? 0) > (to.codePointAt(0) ?? 0))) {
    return isNegated ? '[^/]' : '(?!)'
  }
  return `(?!/)[${isNegated ? '^' : ''}${set}]`
}

function escaped(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
}
