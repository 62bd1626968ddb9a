import { latin1 } from '../model/path-bytes.ts'

/**
 * A shell pattern for names: `*` and `?` stand for anything but a slash, `**` for any number of directories, `[a-z]` and
 * `[!a-z]` for one character. A pattern without a slash is about the last part of a path, any other about all of it.
 * Names are in latin1, a char a byte; `?` stands for one character of UTF-8.
 */
export function globMatcher(pattern: string): (name: string) => boolean {
  const isPath = pattern.includes('/')
  const expression = new RegExp(`^${translate(latin1(pattern.replace(/^\//, '').replace(/\/$/, '')))}$`, 's')
  return (name) => expression.test(isPath ? name : name.slice(name.lastIndexOf('/') + 1))
}

/** One character of UTF-8 in latin1, or one byte that is none. */
const ANY = '(?:[\\xc2-\\xf4][\\x80-\\xbf]+|[^/])'

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
    else if (char === '?') out += ANY
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
  if (/(.)-(.)/s.test(set) && [...set.matchAll(/(.)-(.)/gs)].some(([, from = '', to = '']) => from > to)) {
    return isNegated ? '[^/]' : '(?!)'
  }
  return `(?!/)[${isNegated ? '^' : ''}${set}]`
}

function escaped(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&')
}
