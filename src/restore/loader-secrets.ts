import { RelayError } from '../errors.ts'
import type { HostConfig, SourceConfig } from '../model/config.ts'
import type { ResolveSecret } from '../secrets/contract.ts'
import type { LoadableSource } from '../sources/contract.ts'
import { kindOf } from '../sources/registry.ts'
import type { LoaderSecret } from './server/driver.ts'
import type { RestoreJournal } from './server/journals.ts'

/** What the loader of a source reads. Throws SecretError. */
export async function loaderSecret(
  config: SourceConfig,
  loadable: LoadableSource,
  resolve: ResolveSecret,
  signal: AbortSignal,
): Promise<LoaderSecret | undefined> {
  const reference = loadable.secret?.(config)
  return reference === undefined
    ? undefined
    : { source: config.name, secret: await resolve(reference, signal) }
}

/**
 * The secrets that it takes to settle these restores, or to remove what they have set aside. Throws RelayError
 * `secret-unknown` when the config does not say where to find one, and SecretError.
 */
export async function loaderSecrets(
  { name: host, sources }: HostConfig,
  journals: readonly Pick<RestoreJournal, 'id' | 'secretsOf'>[],
  resolve: ResolveSecret,
  signal: AbortSignal,
): Promise<readonly LoaderSecret[]> {
  const secrets: LoaderSecret[] = []
  for (const { id, secretsOf } of journals) {
    for (const name of secretsOf) {
      const config = sources.find((one) => one.name === name)
      const way = config === undefined ? undefined : kindOf(config.kind).restore
      const secret =
        config !== undefined && way?.by === 'load'
          ? await loaderSecret(config, await way.open(), resolve, signal)
          : undefined
      if (secret === undefined)
        throw new RelayError(
          'secret-unknown',
          `Restore ${id} was loaded with the secret of the source ${name}, and the config of ${host} says nothing of that secret`,
          {
            host,
            source: name,
            next: `Put ${name} with its secret back into the config, then run this again.`,
          },
        )
      secrets.push(secret)
    }
  }
  return secrets
}
