import { distance } from 'fastest-levenshtein'

/** How many edits a typo may be away from a name: a third of the longer one. */
function typoLimit(written: string, name: string): number {
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

/** Of paths that are looked at one by one, the nearest to what was written, as a whole or by its last part. */
export class NearestPath {
  name: string | undefined
  readonly #written: string
  readonly #last: string
  #edits: number

  constructor(written: string) {
    this.#written = written
    this.#last = written.slice(written.lastIndexOf('/') + 1)
    this.#edits = Infinity
  }

  look(name: string): void {
    const last = name.slice(name.lastIndexOf('/') + 1)
    const edits = Math.min(
      this.#distance(this.#written, name),
      // The same last part elsewhere is as good a guess as one more edit.
      this.#last === '' ? Infinity : this.#distance(this.#last, last) + 1,
    )
    if (edits >= this.#edits) return
    this.#edits = edits
    this.name = name
  }

  #distance(written: string, name: string): number {
    // No edit makes up for more characters than that.
    const least = Math.abs(written.length - name.length)
    if (least > typoLimit(written, name) || least >= this.#edits) return Infinity
    const edits = distance(written, name)
    return edits > typoLimit(written, name) ? Infinity : edits
  }
}
