import { KeyError, type ErrorDetails } from '../errors.ts'

/** Bytes of gpg's stderr that an error shows. */
export const STDERR_SHOWN = 2000

/** What stands behind an error of the child process: that there is no gpg, or what it was. */
export function gpgProblem(error: unknown, keyId: string): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return error
  return new KeyError(`gpg, which holds the identity ${keyId}, is not installed here`, {
    next: 'Install GnuPG, or set encryption.identity to a private key file',
    cause: error,
  })
}

/** gpg has no key that opens the message, or can't use it. */
export function notOpened(keyId: string, details: ErrorDetails): KeyError {
  return new KeyError(`gpg does not open this archive with the identity ${keyId}`, {
    ...details,
    command: 'gpg',
    next: `See whether gpg has the private key and its passphrase: gpg --list-secret-keys ${keyId}`,
  })
}
