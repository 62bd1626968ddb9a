import { z } from 'zod'
import { excludePatternProblem } from '../model/exclude-pattern.ts'
import type { SecretReference } from '../model/secret.ts'
import type { ConfigPath } from './document.ts'
import { sourcePathProblem } from './remote-path.ts'

export type { ConfigPath } from './document.ts'
export type { Problem } from './problem.ts'
export { normaliseRemotePath, sourcePathProblem } from './remote-path.ts'
export { addressProblem, parseAddress } from './server-address.ts'

// What the schemas of the config, and of the kinds in it, are made of. Messages never repeat a value of the file, since
// any value may be a misplaced secret.

/** A map of the file, valid or not. */
export type Fields = Readonly<Record<string, unknown>>

/** Something that a source has for itself, and where it is written. */
export interface WrittenPlace {
  /** Relative to the source. */
  readonly path: ConfigPath
  readonly text: string
}

/** Makes a local path absolute. */
export type ResolvePath = (path: string) => string

/** A text with a rule that a pattern can't say: `problemOf` returns what is wrong, or undefined. */
export const checked = (base: z.ZodString, problemOf: (value: string) => string | undefined) =>
  base.superRefine((value, context) => {
    const message = problemOf(value)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  })

export const text = (what: string) =>
  checked(z.string().min(1, { error: `${what} must not be empty`, abort: true }), (value) =>
    value.includes('\0') ? `${what} must not contain a NUL character` : undefined,
  )

/** A file on this machine. */
export const localPath = () => text('the path')

/** One instance, so that the JSON Schema defines it once. Its message is fixed: a literal is never repeated. */
export const secret = z
  .union(
    [
      z
        .strictObject({ keychain: z.string().regex(/^[^/]+\/.+$/, 'write it as service/account') })
        .describe("The operating system's keychain: service/account. Store it with: relay-backup secret set"),
      z
        .strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not a name of a variable') })
        .describe('The name of an environment variable that holds the secret.'),
      z
        .strictObject({ file: localPath() })
        .describe('A file that holds the secret and that only you can read (chmod 600).'),
      z
        .strictObject({ command: text('the command') })
        .describe('A command of this machine that prints the secret.'),
    ],
    { error: 'not a secret reference' },
  )
  .meta({ id: 'secret' })

export function normaliseSecret(reference: SecretReference, resolvePath: ResolvePath): SecretReference {
  return 'file' in reference ? { file: resolvePath(reference.file) } : reference
}

/** A path of the server, relative to the deployment or absolute. */
export const remotePath = () => checked(text('the path'), sourcePathProblem)

/** A pattern as `.gitignore` has them. */
export const pattern = () => checked(text('the pattern'), excludePatternProblem)

export const excludePatterns = () =>
  z
    .array(pattern())
    .optional()
    .describe(
      'What to leave out, in the syntax of .gitignore, from the path of the source on: ["*.tmp", "cache/", "/old", "!keep.tmp"].',
    )

export function isMap(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value's keys; none where it is no map. */
export function fields(value: unknown): Fields {
  return isMap(value) ? value : {}
}
