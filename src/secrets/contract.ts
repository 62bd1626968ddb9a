import type { Secret, SecretReference } from '../model/secret.ts'

/**
 * Finds a secret where the config says it is. Throws SecretError that names the place, never the value, and
 * says what to do. A file that group or others can read is refused.
 */
export type ResolveSecret = (reference: SecretReference, signal: AbortSignal) => Promise<Secret>
