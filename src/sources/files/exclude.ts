/** No part of a backup: what restores and we ourselves leave on a server. */
export const ALWAYS_EXCLUDED = '.relay-backup'

/** The patterns, with our own directory always among them. */
export function allExcludes(patterns: readonly string[]): readonly string[] {
  return [ALWAYS_EXCLUDED, ...patterns]
}

/** An expression for find that matches what the patterns without a slash leave out. */
export function findExcludes(patterns: readonly string[]): readonly string[] {
  return patterns
    .filter((pattern) => !pattern.includes('/'))
    .flatMap((pattern, at) => (at === 0 ? ['-name', pattern] : ['-o', '-name', pattern]))
}

/**
 * Tells whether a path (latin1, one char a byte) is left out: as GNU tar does it with `--no-anchored
 * --no-wildcards-match-slash`, a pattern matches from the start of any component to the end of any later one, so
 * whatever is below a match is out too.
 */
export function excluder(patterns: readonly string[]): (path: string) => boolean {
  const expressions = patterns.map(
    (pattern) =>
      new RegExp(`(?:^|/)${globSource(Buffer.from(pattern, 'utf8').toString('latin1'))}(?:/|$)`, 's'),
  )
  return (path) => expressions.some((expression) => expression.test(path))
}

/** The {@link excluder} of just the patterns that have a slash. */
export function slashExcluder(patterns: readonly string[]): (path: string) => boolean {
  return excluder(patterns.filter((pattern) => pattern.includes('/')))
}

/** A shell pattern as the source of a regular expression; wildcards do not match a slash. */
function globSource(pattern: string): string {
  return pattern.replaceAll(/\\(.)|\[(!|\^)?(\]?[^\]]*)\]|([^])/g, (_match, escaped, negated, set, char) => {
    if (typeof escaped === 'string') return literal(escaped)
    if (typeof set === 'string') {
      const members = set.replaceAll(/[\\\][^]/g, '\\$&')
      return typeof negated === 'string' ? `[^/${members}]` : `(?!/)[${members}]`
    }
    if (char === '*') return '[^/]*'
    if (char === '?') return '[^/]'
    return literal(String(char))
  })
}

function literal(char: string): string {
  return /[a-zA-Z0-9_/-]/.test(char) ? char : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
}
