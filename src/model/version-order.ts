/** Compares versions by number, part by part. A missing part counts as 0. */
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

/** Compares the first two numbers of a version only, because the numbers behind them stand for repairs. */
export function isOlder(version: string, than: string): boolean {
  return !atLeast(version, than.split('.').slice(0, 2).join('.'))
}
