/**
 * Disposes things together, the last first, because Node 22 has no AsyncDisposableStack. When one of them throws, the
 * others are disposed all the same, and the first error comes out.
 */
export class Disposables implements AsyncDisposable {
  readonly #held: AsyncDisposable[] = []

  use<T extends AsyncDisposable>(one: T): T {
    this.#held.push(one)
    return one
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = []
    for (const one of this.#held.splice(0).reverse()) {
      await one[Symbol.asyncDispose]().then(undefined, (error: unknown) => errors.push(error))
    }
    if (errors.length > 0) throw errors[0]
  }
}
