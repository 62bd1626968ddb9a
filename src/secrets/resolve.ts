import { SecretError } from '../errors.ts'
import { Secret } from '../model/secret.ts'
import type { ResolveSecret } from './contract.ts'
import { readKeychain, systemKeychain } from './keychain.ts'
import type { KeychainStore } from './keychain.ts'
import { runSecretCommand } from './secret-command.ts'
import { readSecretFile } from './secret-file.ts'

/** {@link ResolveSecret} over a keychain and an environment. */
export function secretResolver(keychain: KeychainStore, env: NodeJS.ProcessEnv): ResolveSecret {
  return async (reference, signal) => {
    signal.throwIfAborted()
    if ('env' in reference) return fromEnvironment(reference.env, env)
    if ('file' in reference) return await readSecretFile(reference.file)
    if ('command' in reference) return await runSecretCommand(reference.command, signal)
    const secret = await readKeychain(keychain, reference.keychain, signal)
    if (secret === undefined)
      throw new SecretError(`The keychain has no entry ${reference.keychain}`, {
        next: `relay-backup secret set ${reference.keychain}`,
      })
    return secret
  }
}

/** Finds secrets in the operating system's keychain, this process's environment, files and commands. */
export const resolveSecret: ResolveSecret = secretResolver(systemKeychain, process.env)

function fromEnvironment(name: string, env: NodeJS.ProcessEnv): Secret {
  const value = env[name]
  if (value === undefined || value === '')
    throw new SecretError(`The environment variable ${name} is ${value === '' ? 'empty' : 'not set'}`, {
      next: `Set ${name}, or name another place for the secret in the config`,
    })
  return new Secret(value)
}
