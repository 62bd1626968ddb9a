import { inspect } from 'node:util'

/** A secret text. Prints, logs and serialises as `[secret]`; only `reveal()` gives it away. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The text itself. Never put it into argv, a log, an error or a file. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}

/** Where a secret is to be found; the only forms the config takes. Never a literal. */
export type SecretReference =
  | { readonly keychain: string }
  | { readonly env: string }
  | { readonly file: string }
  | { readonly command: string }
