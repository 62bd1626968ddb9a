import { describeKey } from '../crypto/describe-key.ts'
import type { KeyDescription } from '../crypto/describe-key.ts'
import { WHEN_LOST } from '../crypto/identity.ts'
import { readKeyFile } from '../crypto/key-file.ts'
import { RelayError } from '../errors.ts'
import type { EncryptionConfig } from '../model/config.ts'

export type KeyRole = 'recipient' | 'identity'

/** A key file of the config: its keys, or why it can't be read. */
export interface ConfiguredKeyFile {
  readonly role: KeyRole
  readonly file: string
  readonly keys: readonly KeyDescription[]
  readonly problem?: RelayError
}

/** Every key file that the config names; a broken one does not hide the others. */
export async function configuredKeyFiles(config: EncryptionConfig, now: Date): Promise<ConfiguredKeyFile[]> {
  if (config.mode === 'passphrase') return []
  const identity = config.identity !== undefined && 'file' in config.identity ? [config.identity.file] : []
  const files = [
    ...config.recipients.map((file) => ({ role: 'recipient' as const, file })),
    ...identity.map((file) => ({ role: 'identity' as const, file })),
  ]
  return await Promise.all(
    files.map(async ({ role, file }) => {
      try {
        return { role, file, keys: await describeKeyFile(file, now, role) }
      } catch (problem) {
        if (!(problem instanceof RelayError)) throw problem
        return { role, file, keys: [], problem }
      }
    }),
  )
}

/** Throws KeyError when the file can't be read. */
export async function describeKeyFile(file: string, now: Date, role?: KeyRole): Promise<KeyDescription[]> {
  const keys = await readKeyFile(file, role === 'identity' ? WHEN_LOST : undefined)
  return await Promise.all(keys.map((key) => describeKey(key, file, now)))
}

/** For `--json`. */
export function keyToJson(key: KeyDescription): object {
  return {
    ...key,
    created: key.created.toISOString(),
    expires: key.expires?.toISOString() ?? null,
  }
}
