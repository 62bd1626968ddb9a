import { DamageError } from '../errors.ts'

/**
 * A {@link DamageError} that says where in the plain archive the defect begins. Its `next` is left to the
 * caller, who knows whether the bytes came from a server or from the vault.
 */
export function damageAt(code: string, offset: number, message: string, cause?: unknown): DamageError {
  return new DamageError(code, `${message} (at byte ${offset} of the archive)`, { cause })
}
