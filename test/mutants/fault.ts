/** A fault made by hand: one place of one source file, and the test files of which one must fail with it. */
export interface Fault {
  /** Unique, in kebab-case. */
  readonly name: string
  /** What goes wrong with it, for people. */
  readonly what: string
  /** The source file, from the root of the repository. */
  readonly file: string
  /** A text that stands there exactly once. */
  readonly find: string
  readonly replace: string
  /** Test files, from the root of the repository. */
  readonly tests: readonly string[]
}

/** Faults by area, as `--area` names them. */
export type FaultTable = Readonly<Record<string, readonly Fault[]>>

/** Puts the fault into the text of its file. Throws when the text it replaces is not there exactly once. */
export function withFault(text: string, { name, file, find, replace }: Fault): string {
  const found = text.split(find).length - 1
  if (found === 1) return text.replace(find, () => replace)
  throw new Error(
    found === 0
      ? `${name}: its text is not found in ${file} (any more); bring the fault up to date`
      : `${name}: its text is found ${found} times in ${file}; it must be there once`,
  )
}
