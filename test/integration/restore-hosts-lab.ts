import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { HostConfig } from '../../src/model/config.ts'
import { pathFromJson } from '../../src/model/path-bytes.ts'
import type { RestoreReport } from '../../src/model/restore-report.ts'
import { lockDeployment } from '../../src/remote/deployment-lock.ts'
import { probeHost } from '../../src/remote/probe.ts'
import { sourceIndex } from '../../src/restore/contents.ts'
import type { RestoreDependencies } from '../../src/restore/dependencies.ts'
import type { RestoreRequest } from '../../src/restore/preflight.ts'
import { restoreHost } from '../../src/restore/restore-host.ts'
import { restorableOf, sourceOf } from '../../src/sources/registry.ts'
import type { Snapshot } from '../../src/vault/contract.ts'
import { LocalHost, type LocalHostOptions } from '../lab/local-host.ts'
import { IncrementalLab, signal } from './incremental-lab.ts'

/** Files by their path in a deployment; a path that ends with a slash is a directory. */
export type Files = Readonly<Record<string, string>>

/** Makes these files. */
export async function makeFiles(root: string, files: Files): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, name)
    await mkdir(name.endsWith('/') ? path : dirname(path), { recursive: true })
    if (!name.endsWith('/')) await writeFile(path, text)
  }
}

/** Whole restores in this process: the real scripts, vault and sources; without SSH, and archives are not encrypted. */
export class RestoreHostsLab implements AsyncDisposable {
  readonly lab: IncrementalLab
  /** How scripts run on a server. */
  server: LocalHostOptions = {}

  private constructor(lab: IncrementalLab) {
    this.lab = lab
  }

  static async start(): Promise<RestoreHostsLab> {
    return new RestoreHostsLab(await IncrementalLab.start())
  }

  /** A host whose deployment is a directory of the lab, with the sources of the one that is pulled. */
  host(name: string, rest: Partial<HostConfig> = {}): HostConfig {
    return { ...this.lab.host, name, deployment: join(this.lab.path, name, 'app'), ...rest }
  }

  async restore(
    snapshot: Snapshot,
    host: HostConfig,
    request: Partial<RestoreRequest> = {},
    parts: Partial<RestoreDependencies> = {},
  ): Promise<RestoreReport> {
    this.lab.passDays(1)
    return await restoreHost(
      {
        host,
        snapshot,
        paths: [],
        strategy: 'replace',
        dryRun: false,
        acceptChanges: false,
        start: true,
        safety: true,
        ...request,
      },
      { ...this.dependencies(), ...parts },
      signal,
    )
  }

  dependencies(): RestoreDependencies {
    const restoring = this.lab.restoring()
    return {
      ...restoring,
      restorableOf,
      confirm: () => Promise.resolve(true),
      pull: {
        ...restoring.pull,
        connect: () => Promise.resolve(new LocalHost(this.server)),
        probe: probeHost,
        lockDeployment,
        findHelper: () => Promise.resolve({ refused: { message: 'not here', next: 'Use sudo.' } }),
        sourceOf,
      },
    }
  }

  /** The files that a snapshot holds, by its indexes; `SOURCE:MEMBER`, sorted. */
  async filesOf(host: string, id: string): Promise<string[]> {
    const { vault } = this.lab
    const snapshot = (await vault.snapshots(host, { retired: true })).find((one) => one.id === id)
    if (snapshot === undefined) throw new Error(`no snapshot ${host}/${id}`)
    const parts = { ...this.dependencies(), filePath: vault.filePath.bind(vault) }
    const names: string[] = []
    for (const source of snapshot.manifest.sources) {
      for await (const { path, type } of sourceIndex(snapshot, source, parts)) {
        if (type === 'file') names.push(`${source.name}:${pathFromJson(path).toString()}`)
      }
    }
    return names.sort()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lab[Symbol.asyncDispose]()
  }
}
