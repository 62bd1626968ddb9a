import { distance } from 'fastest-levenshtein'

/** How many edits a typo may be away from a name: a third of the longer one. */
export function typoLimit(written: string, name: string): number {
  return Math.ceil(Math.max(written.length, name.length) / 3)
}

/** The known name that was most likely meant: one that begins alike, else one that is near enough to be a typo. */
export function nearest(written: string, known: readonly string[]): string | undefined {
  if (written === '') return undefined
  const plain = written.toLowerCase()
  let best: { readonly name: string; readonly edits: number } | undefined
  for (const name of known) {
    const other = name.toLowerCase()
    if (other === '') continue
    const edits = other.startsWith(plain) || plain.startsWith(other) ? 0 : distance(plain, other)
    if (edits <= typoLimit(plain, other) && edits < (best?.edits ?? Infinity)) best = { name, edits }
  }
  return best?.name
}

/** `Did you mean "logs"? `, to stand before the rest of a next step; '' when no known name is near. */
export function didYouMean(written: string, known: readonly string[]): string {
  const name = nearest(written, known)
  return name === undefined ? '' : `Did you mean "${name}"? `
}
