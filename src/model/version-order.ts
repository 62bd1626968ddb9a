/** Compares versions by number, part by part; what is missing counts as 0. */
export function atLeast(version: string, minimum: string): boolean {
  const [have, need] = [version, minimum].map((text) =>
    text.split('.').map((part) => Number.parseInt(part, 10) || 0),
  )
  for (const [at, part] of (need ?? []).entries()) {
    const other = have?.[at] ?? 0
    if (other !== part) return other > part
  }
  return true
}

/** By the first two numbers of a version: what comes behind are repairs. */
export function isOlder(version: string, than: string): boolean {
  return !atLeast(version, than.split('.').slice(0, 2).join('.'))
}
