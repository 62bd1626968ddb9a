import { VaultError } from '../errors.ts'
import { VAULT_FORMAT } from '../model/snapshot.ts'

/** Codes of what {@link insistOnFormat} throws: it is no damage, and nothing beside it may be relied on. */
const OTHER_FORMATS: ReadonlySet<string> = new Set(['newer-format', 'older-format'])

/** True for a part of a vault that another version of relay-backup wrote in its own way. */
export function isOtherFormat(error: unknown): boolean {
  return error instanceof VaultError && OTHER_FORMATS.has(error.code)
}

/**
 * What another version wrote is never guessed at. Throws VaultError for a `format` that this version does not read;
 * what has no format is for the caller to judge.
 *
 * @param what begins the message: `The vault /backup`
 */
export function insistOnFormat(json: unknown, what: string): void {
  const format = (json as { readonly format?: unknown } | null | undefined)?.format
  if (typeof format !== 'number' || format === VAULT_FORMAT) return
  const message = `${what} has format ${format}; this version reads format ${VAULT_FORMAT}`
  if (format > VAULT_FORMAT) {
    throw new VaultError('newer-format', message, {
      next: 'Install the newer version of relay-backup that made it.',
    })
  }
  throw new VaultError('older-format', message, {
    next: 'Set `vault` to a new directory and pull again. What the old one holds opens without relay-backup: gpg -d A.tar.zst.gpg | zstd -d | tar -x',
  })
}
