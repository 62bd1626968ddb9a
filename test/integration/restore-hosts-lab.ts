import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { readTar } from '../../src/archive/read-back.ts'
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

  /**
   * A snapshot of `data` that is made by hand, as an older version or somebody with access to the vault made it: its archive
   * is this tar, and its index says what is in it.
   */
  async forged(tar: Buffer): Promise<Snapshot> {
    const like = await this.lab.pulled({ full: true })
    this.lab.passDays(1)
    const { vault, encryptor, createIndexBuilder, writeArchive } = this.lab.dependencies()
    await using lock = await vault.lock('prod')
    await using pending = await vault.begin(lock, this.lab.now, signal)
    await using index = await createIndexBuilder(pending.scratchPath('index'))
    // As a stream: what a pull refuses is not looked for.
    const write = async (name: string, stream: Readable) => {
      const file = await pending.createFile(name)
      const written = await writeArchive(
        { stream, wire: 'none', store: 'zstd', format: 'stream' },
        { encryptor, sink: { stream: file.stream }, signal },
      )
      await file.finish()
      return written
    }
    const [source] = like.manifest.sources
    const [archive] = source?.archives ?? []
    if (source?.index === undefined || archive === undefined) throw new Error('the pull made no archive')
    const { bytes, plainBytes, sha256, body } = await write(archive.file, Readable.from([tar]))
    const place = { part: archive.part, archive: archive.file }
    await readTar(Readable.from([tar]), { entry: (entry) => index.add(entry, place) })
    const header = { format: 1, source: 'data', snapshot: pending.id, paths: ['data'] } as const
    const listed = await write(
      source.index.file,
      index.finish(header, () => undefined),
    )
    return await pending.commit({
      ...like.manifest,
      id: pending.id,
      createdAt: pending.createdAt.toISOString(),
      previous: pending.previous,
      sources: [
        {
          ...source,
          archives: [{ ...archive, bytes, plainBytes, sha256, body }],
          index: { ...source.index, bytes: listed.bytes, sha256: listed.sha256, body: listed.body },
        },
      ],
    })
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
