/** A pattern as a server is asked for it, and as names are compared with it here. */
export interface Search {
  /** Where the search begins: `.` for the deployment. */
  readonly directory: string
  /** What the last part of a name must match, as `find -name` takes it; a superset of the pattern. */
  readonly name: string
  /** Compares a path as the server names it, below {@link directory}. */
  readonly matches: RegExp
}

/** Whether a path of the config is a pattern. */
export function isPattern(path: string): boolean {
  return /[*?]/.test(path)
}

/** The search for a pattern: `**` is any number of directories, `*` and `?` stand for what is inside one name. */
export function searchFor(pattern: string): Search {
  const parts = pattern.split('/')
  const first = parts.findIndex(isPattern)
  const above = parts.slice(0, first).join('/')
  const isAbsolute = pattern.startsWith('/')
  const directory = isAbsolute ? above || '/' : above === '' ? '.' : `./${above}`
  const names = parts.slice(first)
  const last = names.at(-1) ?? '*'
  const below = names.map((part, at) => {
    if (part === '**') return at === names.length - 1 ? '.+' : '(?:[^/]+/)*'
    return partPattern(part) + (at === names.length - 1 ? '' : '/')
  })
  return {
    directory,
    name: last.replaceAll(/\*+/g, '*').replaceAll(/[[\]\\]/g, String.raw`\$&`),
    matches: new RegExp(`^${escape(directory.replace(/\/$/, ''))}/${below.join('')}$`, 'su'),
  }
}

function partPattern(part: string): string {
  return part
    .split(/(\*+|\?)/)
    .map((piece) => (piece === '?' ? '[^/]' : piece.startsWith('*') ? '[^/]*' : escape(piece)))
    .join('')
}

function escape(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)
}
