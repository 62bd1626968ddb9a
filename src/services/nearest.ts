/** The name that was probably meant: one that begins alike, or is at most two edits away. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const alike = known.find((other) => name !== '' && (other.startsWith(name) || name.startsWith(other)))
  if (alike !== undefined) return alike
  const [best] = known
    .map((other) => ({ other, edits: distance(name, other) }))
    .sort((a, b) => a.edits - b.edits)
  return best !== undefined && best.edits <= 2 ? best.other : undefined
}

/** How many insertions, removals and replacements of one character lead from one to the other. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
