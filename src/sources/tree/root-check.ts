import { RemoteError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import { vanishedSource } from './failures.ts'
import type { Root } from './roots.ts'

/** Looks at every name that a server lists (a member's, in latin1): it is a root or below one, and no root is missing. */
export class RootCheck {
  readonly #roots: readonly { readonly root: Root; readonly name: string }[]
  readonly #missing: Set<string>

  constructor(roots: readonly Root[]) {
    this.#roots = roots.map((root) => ({ root, name: Buffer.from(root.name).toString('latin1') }))
    this.#missing = new Set(this.#roots.map(({ name }) => name))
  }

  /** Throws RemoteError `listing-malformed` for a name that was not asked for. */
  see(name: string): void {
    if (this.#missing.delete(name)) return
    const isBelow = this.#roots.some((root) => name.startsWith(`${root.name}/`))
    if (isBelow && !/(?:^|\/)\.{0,2}(?:\/|$)/.test(name)) return
    throw new RemoteError(
      'listing-malformed',
      `The server lists ${printable(Buffer.from(name, 'latin1'))}, which is not in the source`,
      {
        next: 'Look at find on the server: something answers in its place. Nothing of this source was kept.',
      },
    )
  }

  /** The listing is at its end. Throws SourceError `source-vanished`. */
  end(): void {
    const lost = this.#roots.find(({ name }) => this.#missing.has(name))
    if (lost !== undefined) throw vanishedSource(lost.root)
  }
}
