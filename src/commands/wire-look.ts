import { openArchive } from '../archive/open-archive.ts'
import { loadConfig } from '../config/load.ts'
import type { Decryptor } from '../crypto/contract.ts'
import { UsageError } from '../errors.ts'
import type { LookDependencies } from '../look/dependencies.ts'
import type { Config } from '../model/config.ts'
import { resolveSecret } from '../secrets/resolve.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import type { CommandContext } from './context.ts'
import { askSecret } from './secret-prompt.ts'

/**
 * The parts of a look inside of snapshots, from the config. The identity is unlocked, and its passphrase asked for, when
 * something is decrypted for the first time. Throws UsageError where there is no vault.
 */
export async function wireLook(context: CommandContext): Promise<LookDependencies> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const vault = await openExistingVault(config.vault, { now: context.now })
  if (vault === undefined) {
    throw new UsageError('There is no vault yet', { next: 'Make a first snapshot with: relay-backup pull' })
  }
  return { vault, decryptor: lazyDecryptor(context, config), openArchive }
}

/** A decryptor of the config that is made, and whose passphrase is asked for, when something is decrypted for the first time. */
export function lazyDecryptor(context: CommandContext, { encryption }: Config): Decryptor {
  let made: Promise<Decryptor> | undefined
  const make = async (): Promise<Decryptor> => {
    const { createDecryptor } = await import('../crypto/decryptor.ts')
    return await createDecryptor(encryption, {
      resolveSecret,
      signal: context.signal,
      ...(context.interactive
        ? { askPassphrase: (prompt: string) => askSecret(prompt, context.signal) }
        : {}),
    })
  }
  return {
    decrypt: async (message) => {
      try {
        return await (await (made ??= make())).decrypt(message)
      } catch (error) {
        message.destroy()
        throw error
      }
    },
  }
}
