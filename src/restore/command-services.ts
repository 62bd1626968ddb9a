import { RelayError } from '../errors.ts'
import type { HostConfig, ServicesConfig } from '../model/config.ts'
import type { ServerServices, ServiceSecret } from '../model/server-services.ts'
import type { ResolveSecret } from '../secrets/contract.ts'
import type { RestoreJournal } from './server/journals.ts'

type CommandConfig = Extract<ServicesConfig, { readonly manager: 'command' }>

/** The manager `command` with the secrets that its lines read. Throws SecretError. */
export async function commandServices(
  { stop, start, status, secrets = {} }: CommandConfig,
  resolve: ResolveSecret,
  signal: AbortSignal,
): Promise<Extract<ServerServices, { readonly manager: 'command' }>> {
  const found: ServiceSecret[] = []
  for (const [name, reference] of Object.entries(secrets))
    found.push({ name, secret: await resolve(reference, signal) })
  return { manager: 'command', stop, start, status, secrets: found }
}

/** What a script is sent for them. */
export function secretsOf(services: ServerServices): readonly ServiceSecret[] {
  return services.manager === 'command' ? (services.secrets ?? []) : []
}

/**
 * The secrets without which the services of a restore can't be stopped and started when it is undone or finished. Throws
 * RelayError `secret-unknown` when the config does not name one, and SecretError.
 */
export async function secretsOfJournal(
  { name: host, services }: Pick<HostConfig, 'name' | 'services'>,
  { id, state, how, serviceSecrets }: Pick<RestoreJournal, 'id' | 'state' | 'how' | 'serviceSecrets'>,
  resolve: ResolveSecret,
  signal: AbortSignal,
): Promise<readonly ServiceSecret[]> {
  if (state === 'closed' && how !== 'done') return []
  const secrets: ServiceSecret[] = []
  for (const name of serviceSecrets) {
    const reference = services.manager === 'command' ? services.secrets?.[name] : undefined
    if (reference === undefined)
      throw new RelayError(
        'secret-unknown',
        `The services of restore ${id} need the secret ${name}, and the config of ${host} does not name it`,
        { host, next: `Put ${name} back into hosts.${host}.services.secrets, then run this again.` },
      )
    secrets.push({ name, secret: await resolve(reference, signal) })
  }
  return secrets
}
