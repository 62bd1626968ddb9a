import type { SourceConfig } from '../model/config.ts'
import { findVolume } from '../services/volume.ts'
import { kindOf } from '../sources/registry.ts'
import { requireShell } from '../runs/access.ts'
import { configuredPrivilege, type Visit } from '../runs/visit.ts'

/** A source with its paths. Only the server knows where a volume lies. Throws as {@link findVolume} does. */
export async function locateSource(visit: Visit, source: SourceConfig): Promise<SourceConfig> {
  const kind = kindOf(source.kind)
  const volume = kind.volume?.(source)
  if (volume === undefined) return source
  const { host, remote, probe, deployment, signal } = visit
  requireShell(host.name, probe, `a ${kind.title}`)
  const privilege = configuredPrivilege(host)
  const { mountpoint } = await findVolume(remote, volume, {
    deployment,
    services: host.services,
    privilege,
    signal,
  })
  return kind.movedTo(source, [mountpoint])
}
