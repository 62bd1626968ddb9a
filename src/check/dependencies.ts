import type { Config, HostConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import type { VaultDisk } from '../model/status-report.ts'
import type { LookDependencies } from '../pull/look-at-sources.ts'
import type { VisitDependencies } from '../runs/visit.ts'
import type { Judged } from './judge.ts'
import type { Vault } from '../vault/contract.ts'

/** The parts that `check` is wired from. None of them changes anything. */
export interface CheckDependencies extends VisitDependencies, LookDependencies {
  /** Whether pulls can encrypt and restores can decrypt. */
  readonly checkKeys: (signal: AbortSignal) => Promise<readonly Finding[]>
  /** Whether the system's timers keep the schedules of the config. */
  readonly timerFindings: (signal: AbortSignal) => Promise<readonly Judged[]>
  /** Undefined where there is none yet. Throws what is wrong with it. */
  readonly openVault: () => Promise<Vault | undefined>
  /** Who may write to the vault, and whether its place is a good one. */
  readonly vaultFindings: () => Promise<readonly Finding[]>
  /** How full the file system is where the vault lies, or will. */
  readonly vaultDisk: () => Promise<VaultDisk>
  readonly now: () => Date
}

/** What is checked. */
export interface CheckRequest {
  readonly config: Config
  readonly hosts: readonly HostConfig[]
  /** ms that one check may take. */
  readonly limit: number
}
