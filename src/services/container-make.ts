import type { Privilege, RemoteHost } from '../remote/contract.ts'
import type { ContainerMake } from './contract.ts'
import { wholeAnswer } from './docker-answer.ts'

/** A line of `services/make-look`. */
interface Inspected {
  readonly name: string
  readonly labels: Readonly<Record<string, string>> | null
  readonly imageId: string
  readonly ports: Readonly<
    Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>
  > | null
  readonly mounts:
    readonly { readonly Type: string; readonly Destination: string; readonly RW: boolean }[] | null
}

/**
 * What containers were made with: these, by their ids or names, or those of a Compose project that run. One that is gone
 * is left out. Throws RemoteError.
 */
export async function lookAtMakes(
  host: RemoteHost,
  which: { readonly containers: readonly string[] } | { readonly project: string },
  { privilege, signal }: { readonly privilege: Privilege | undefined; readonly signal: AbortSignal },
): Promise<readonly ContainerMake[]> {
  const args = 'project' in which ? ['project', which.project] : ['containers', ...which.containers]
  if (args.length === 1) return []
  const title = 'looking at what containers were made with'
  const result = await host.run(
    { script: 'services/make-look', patience: 'list', args, privilege, title },
    { signal },
  )
  return parseMakes(host.name, result.stdout)
}

/** Reads what `services/make-look` prints. Throws as {@link lookAtMakes} does. */
export function parseMakes(host: string, stdout: Buffer): readonly ContainerMake[] {
  const lines = wholeAnswer(host, stdout)
  const makes: (Omit<ContainerMake, 'environment'> & { environment: string[] })[] = []
  for (const line of lines) {
    if (line[0] === 'env') makes.at(-1)?.environment.push(line[1] ?? '')
    if (line[0] !== 'container') continue
    const { name, labels, imageId, ports, mounts } = JSON.parse(line.slice(1).join('\t')) as Inspected
    makes.push({
      name: labels?.['com.docker.compose.service'] ?? name.replace(/^\//, ''),
      imageId,
      published: Object.entries(ports ?? {})
        .flatMap(([port, binds]) => (binds ?? []).map((bind) => `${port} at ${address(bind)}`))
        .sort(),
      environment: [],
      mounts: (mounts ?? [])
        .map(({ Type, Destination, RW }) => `${Destination} (${Type}${RW ? '' : ', read-only'})`)
        .sort(),
    })
  }
  return makes.map((one) => ({ ...one, environment: one.environment.sort() }))
}

/** A missing address stands for any address. Docker chooses a missing port. */
function address({ HostIp, HostPort }: { readonly HostIp: string; readonly HostPort: string }): string {
  const ip = HostIp === '' || HostIp === '0.0.0.0' || HostIp === '::' ? '*' : HostIp
  return `${ip}:${HostPort === '' || HostPort === '0' ? 'any' : HostPort}`
}
