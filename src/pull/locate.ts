import type { HostConfig, SourceConfig } from '../model/config.ts'
import type { HostProbe, RemoteHost } from '../remote/contract.ts'
import type { FindVolume } from '../services/contract.ts'
import { kindOf } from '../sources/registry.ts'
import { requireShell } from './access.ts'

/** Where sources are looked for. */
export interface SourcePlace {
  readonly host: Pick<HostConfig, 'name' | 'sudo' | 'services'>
  readonly remote: RemoteHost
  readonly probe: HostProbe
  readonly findVolume: FindVolume
  readonly signal: AbortSignal
}

/** A source with its paths: where a volume lies, only its server knows. Throws as {@link FindVolume} does. */
export async function locateSource(place: SourcePlace, source: SourceConfig): Promise<SourceConfig> {
  const kind = kindOf(source.kind)
  const volume = kind.volume?.(source)
  if (volume === undefined) return source
  const { host, remote, probe, findVolume, signal } = place
  requireShell(host.name, probe, `a ${kind.title}`)
  const privilege = host.sudo ? 'sudo' : undefined
  const deployment = probe.deployment ?? '/'
  const { mountpoint } = await findVolume(remote, volume, {
    deployment,
    services: host.services,
    privilege,
    signal,
  })
  return kind.movedTo(source, [mountpoint])
}
