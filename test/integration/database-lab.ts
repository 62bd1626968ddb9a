import { expect } from 'vitest'
import type { HealthLimits, HostConfig } from '../../src/model/config.ts'
import type { HostPullReport } from '../../src/model/pull-report.ts'
import type { RestoreReport } from '../../src/model/restore-report.ts'
import type { RollbackReport } from '../../src/model/rollback-report.ts'
import { Secret } from '../../src/model/secret.ts'
import { lookAtSources } from '../../src/pull/look-at-sources.ts'
import { pullHost } from '../../src/pull/pull-host.ts'
import type { RestoreDependencies } from '../../src/restore/dependencies.ts'
import type { RestoreRequest } from '../../src/restore/preflight.ts'
import { rollbackHost } from '../../src/rollback/rollback-host.ts'
import { visit } from '../../src/runs/visit.ts'
import type { HealthNote } from '../../src/sources/contract.ts'
import type { Snapshot } from '../../src/vault/contract.ts'
import { signal } from './incremental-lab.ts'
import type { RestoreHostsLab } from './restore-hosts-lab.ts'

/** Backs up and restores hosts whose sources want a password; this one unless a call says another. */
export class DatabaseLab {
  readonly #lab: RestoreHostsLab
  readonly #password: string

  constructor(lab: RestoreHostsLab, password: string) {
    this.#lab = lab
    this.#password = password
  }

  /** The dependencies of somebody who has this password. */
  saying(password: string): RestoreDependencies {
    const { pull, ...rest } = this.#lab.dependencies()
    return { ...rest, pull: { ...pull, resolveSecret: () => Promise.resolve(new Secret(password)) } }
  }

  async pull(host: HostConfig, password = this.#password, until = signal): Promise<HostPullReport> {
    this.#lab.lab.passDays(1)
    return await pullHost(host, { rotate: false }, this.saying(password).pull, until)
  }

  /** How the server of a host's one source does, as `check` finds it. */
  async health(host: HostConfig, limits: Partial<HealthLimits> = {}): Promise<readonly HealthNote[]> {
    const { pull } = this.saying(this.#password)
    await using place = await visit(host, {}, pull, signal)
    const [look] = await lookAtSources(place, host.sources, pull, {
      excludes: false,
      health: {
        connections: 0.9,
        memory: 0.9,
        hitRate: 0.7,
        query: 300_000,
        lag: 300_000,
        clock: 60_000,
        ...limits,
      },
    })
    expect(look?.error).toBe(undefined)
    return look?.health ?? []
  }

  /** The snapshot of a pull all of which is done. */
  async pulled(host: HostConfig, password = this.#password): Promise<Snapshot> {
    const report = await this.pull(host, password)
    expect(report.sources, JSON.stringify(report.sources)).toMatchObject([{ outcome: 'done' }])
    const all = await this.#lab.lab.vault.snapshots(host.name)
    return all.find(({ id }) => id === report.snapshot)!
  }

  async restore(
    snapshot: Snapshot,
    host: HostConfig,
    request: Partial<RestoreRequest> = {},
  ): Promise<RestoreReport> {
    return await this.#lab.restore(snapshot, host, request, this.saying(this.#password))
  }

  async rollBack(
    host: HostConfig,
    {
      password = this.#password,
      others = [],
      parts = this.saying(password),
      ...rest
    }: {
      readonly discard?: boolean
      readonly unseen?: boolean
      readonly restore?: string
      readonly password?: string
      /** Where the other side of a migration is looked for. */
      readonly others?: readonly HostConfig[]
      readonly parts?: Pick<RestoreDependencies, 'pull'>
    } = {},
  ): Promise<RollbackReport> {
    return await rollbackHost(
      {
        host,
        findHost: (name) => Promise.resolve(others.find((one) => one.name === name)),
        discard: false,
        acceptChanges: false,
        unseen: true,
        ...rest,
      },
      { ...parts.pull, confirm: () => Promise.resolve(true) },
      signal,
    )
  }
}
