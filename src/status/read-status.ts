import { VaultError } from '../errors.ts'
import type { AlertsConfig } from '../model/config.ts'
import type { HostStatus, StatusReport, Trouble, VaultDisk } from '../model/status-report.ts'
import { formatSize } from '../model/units.ts'
import type { Vault } from '../vault/contract.ts'
import { judgeHost } from './judge-host.ts'

/** What the status is read from. */
export interface StatusDependencies {
  /** Undefined where there is none yet. */
  readonly vault: Vault | undefined
  readonly vaultPath: string
  /** How full the vault's file system is. */
  readonly disk: () => Promise<VaultDisk>
  readonly now: () => Date
}

/**
 * How the backups of these hosts stand. Connects to nothing, takes no lock and changes nothing. A host whose part of the
 * vault can't be read is a trouble of that host alone.
 */
export async function readStatus(
  hosts: readonly string[],
  alerts: AlertsConfig,
  dependencies: StatusDependencies,
  signal: AbortSignal,
): Promise<StatusReport> {
  const { vault, vaultPath, now } = dependencies
  const at = now()
  const statuses: HostStatus[] = []
  for (const host of hosts) {
    signal.throwIfAborted()
    statuses.push(await hostStatus(vault, host, alerts, at))
  }
  const disk = vault === undefined ? undefined : await dependencies.disk()
  return {
    at: at.toISOString(),
    vault: vaultPath,
    disk,
    hosts: statuses,
    troubles: diskTroubles(disk, alerts),
  }
}

/** How the backups of one host stand; a vault that is not there yet has none. */
export async function hostStatus(
  vault: Vault | undefined,
  host: string,
  alerts: AlertsConfig,
  now: Date,
): Promise<HostStatus> {
  const nothing = { host, snapshots: [], runs: [] }
  if (vault === undefined) return judgeHost(nothing, alerts, now)
  try {
    const [snapshots, runs, rotationPaused, contradictions] = await Promise.all([
      vault.snapshots(host, { retired: true }),
      vault.runs(host),
      vault.rotationPaused(host),
      vault.contradictions(host),
    ])
    const setBack = contradictions[0]?.message
    return judgeHost({ host, snapshots, runs, rotationPaused, setBack }, alerts, now)
  } catch (error) {
    if (!(error instanceof VaultError)) throw error
    const trouble: Trouble = {
      code: 'unreadable',
      about: error.code,
      message: error.message,
      next: error.details.next ?? `See what is wrong with: relay-backup verify ${host}`,
    }
    return { ...judgeHost(nothing, alerts, now), troubles: [trouble] }
  }
}

function diskTroubles(disk: VaultDisk | undefined, { disk: limit }: AlertsConfig): Trouble[] {
  if (disk === undefined || disk.used < limit) return []
  return [
    {
      code: 'disk',
      about: '',
      message: `the vault's disk is ${Math.floor(disk.used * 100)} % full: ${formatSize(disk.free)} free`,
      next: 'Make room there, or keep fewer snapshots: see relay-backup prune --dry-run',
    },
  ]
}
