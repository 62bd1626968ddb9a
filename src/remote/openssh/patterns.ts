/** Is a name meant by a list of OpenSSH's patterns? Only `*` and `?` mean something; `!` rules out. */
export function matchesPatternList(patterns: readonly string[], name: string): boolean {
  if (patterns.some((pattern) => pattern.startsWith('!') && matchesPattern(pattern.slice(1), name)))
    return false
  return patterns.some((pattern) => matchesPattern(pattern, name))
}

function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern.replaceAll(/[^*?]+|[*?]/g, (part) =>
    part === '*' ? '.*' : part === '?' ? '.' : part.replaceAll(/[\\^$.|+()[\]{}]/g, '\\$&'),
  )
  return new RegExp(`^${source}$`, 's').test(name)
}
