import { fingerprintOf, readKeyFile } from './key-file.ts'

/** A key from elsewhere, armored anew. A locked private key stays locked. */
export interface ImportedKey {
  readonly fingerprint: string
  readonly publicKey: string
  readonly privateKey: string | undefined
}

/** Every key of a file. Throws KeyError when it can't be read. */
export async function readImportedKeys(file: string): Promise<ImportedKey[]> {
  return (await readKeyFile(file)).map((key) => ({
    fingerprint: fingerprintOf(key),
    publicKey: key.toPublic().armor(),
    privateKey: key.isPrivate() ? key.armor() : undefined,
  }))
}
