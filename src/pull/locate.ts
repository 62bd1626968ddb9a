import type { SourceConfig } from '../model/config.ts'
import type { FindVolume } from '../services/contract.ts'
import { requireShell } from '../runs/access.ts'
import { configuredPrivilege, type Visit } from '../runs/visit.ts'

/** A source with its paths. Only the server knows where a volume lies. Throws as {@link FindVolume} does. */
export async function locateSource(
  visit: Visit,
  source: SourceConfig,
  { findVolume }: { readonly findVolume: FindVolume },
): Promise<SourceConfig> {
  if (source.kind !== 'volume') return source
  const { host, remote, probe, deployment, signal } = visit
  requireShell(host.name, probe, 'a volume')
  const privilege = configuredPrivilege(host)
  const { mountpoint } = await findVolume(remote, source.volume, {
    deployment,
    services: host.services,
    privilege,
    signal,
  })
  return { ...source, paths: [mountpoint] }
}
