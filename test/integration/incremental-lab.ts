import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { createIndexBuilder } from '../../src/archive/index-builder.ts'
import { openArchive } from '../../src/archive/open-archive.ts'
import { createRecordSorter } from '../../src/archive/record-sorter.ts'
import { passTree } from '../../src/archive/pass-tree.ts'
import { writeArchive } from '../../src/archive/write-archive.ts'
import type { HostConfig, RetentionPolicy } from '../../src/model/config.ts'
import type { FilesSourceConfig } from '../../src/sources/files/config.ts'
import type { HostPullReport } from '../../src/model/pull-report.ts'
import type { ProgressEvent } from '../../src/report/contract.ts'
import type { PullDependencies, PullOptions } from '../../src/pull/dependencies.ts'
import { pullHost } from '../../src/pull/pull-host.ts'
import type { Visit } from '../../src/runs/visit.ts'
import { locateArchives } from '../../src/restore/archives.ts'
import { readContents } from '../../src/restore/contents.ts'
import type { RestoreDependencies } from '../../src/restore/dependencies.ts'
import { stageGroup } from '../../src/restore/stage.ts'
import { filesSource } from '../../src/sources/files/index.ts'
import { openListingStore } from '../../src/state/listing-store.ts'
import type { Snapshot, Vault } from '../../src/vault/contract.ts'
import { openVault } from '../../src/vault/open-vault.ts'
import { LocalHost, localProbe } from '../lab/local-host.ts'
import { tempDir } from '../lab/temp.ts'

export const signal = new AbortController().signal

const never = (what: string) => () => Promise.reject(new Error(`${what} is not asked for here`))

function withEndlessList(): typeof filesSource {
  const { incremental } = filesSource
  if (incremental === undefined) throw new Error('files can be captured incrementally')
  return {
    ...filesSource,
    incremental: {
      ...incremental,
      open: async (context, config) => {
        const source = await incremental.open(context, config)
        const list = async function* () {
          for await (const entry of source.list()) for (;;) yield entry
        }
        return { ...source, list }
      },
    },
  }
}

/**
 * A deployment on this machine that is pulled and unpacked by the real scripts, with a real vault and rotation;
 * without SSH, and archives are not encrypted. Its server's clock is ahead, so that what was just written counts as
 * settled: what tells edits apart is then their stat alone.
 */
export class IncrementalLab implements AsyncDisposable {
  readonly path: string
  readonly app: string
  readonly vault: Vault
  readonly events: ProgressEvent[] = []
  /** Snapshots whose archives were unpacked as they are stored. */
  readonly passedOn: string[] = []
  retention: RetentionPolicy = { safety: 1 }
  sources: FilesSourceConfig[] & { retention?: RetentionPolicy }[]
  #now = Date.parse('2025-11-20T02:00:00Z')
  readonly #stack: AsyncDisposableStack

  private constructor(path: string, vault: Vault, stack: AsyncDisposableStack) {
    this.path = path
    this.app = join(path, 'app')
    this.vault = vault
    this.#stack = stack
    this.sources = [{ kind: 'files', name: 'data', paths: ['data'], exclude: [] }]
  }

  static async start(): Promise<IncrementalLab> {
    await using starting = new AsyncDisposableStack()
    const { path } = starting.use(await tempDir())
    await mkdir(join(path, 'app/data'), { recursive: true })
    await mkdir(join(path, 'bin'))
    const date = '#!/bin/sh\n[ "$*" = +%s ] && echo $(($(/bin/date +%s) + 10)) || exec /bin/date "$@"\n'
    await writeFile(join(path, 'bin/date'), date)
    await chmod(join(path, 'bin/date'), 0o755)
    return new IncrementalLab(path, await openVault(join(path, 'vault')), starting.move())
  }

  get host(): HostConfig {
    return {
      name: 'prod',
      ssh: { host: 'x', port: 22, keepAlive: 1, connectTimeout: 1 },
      deployment: this.app,
      sudo: false,
      tags: [],
      retention: this.retention,
      compression: { kind: 'auto' },
      fullEvery: this.fullEvery,
      runTimeout: 86_400_000,
      services: { manager: 'none' },
      sources: this.sources,
      sourcesByDefault: false,
    }
  }

  fullEvery = 30
  /** The server lists more entries than are compared. */
  listsTooMany = false

  now = (): Date => new Date(this.#now)

  passDays(days: number): void {
    this.#now += days * 86_400_000
  }

  pull(options: Partial<PullOptions> = {}): Promise<HostPullReport> {
    this.passDays(1)
    return pullHost(this.host, { rotate: true, ...options }, this.dependencies(), signal)
  }

  /** Pulls, insists that it went well, and gives the snapshot. */
  async pulled(options: Partial<PullOptions> = {}): Promise<Snapshot> {
    const report = await this.pull(options)
    if (report.error !== undefined) throw report.error
    const failed = report.sources.find(({ error }) => error !== undefined)?.error
    if (failed !== undefined) throw failed
    const snapshot = (await this.all()).find(({ id }) => id === report.snapshot)
    if (snapshot === undefined) throw new Error('the pull made no snapshot')
    return snapshot
  }

  /** Every snapshot on disk, retired ones too. */
  all(): Promise<Snapshot[]> {
    return this.vault.snapshots('prod', { retired: true })
  }

  /** Unpacks a source of a snapshot, or members of it, as a restore does; gives the directory. */
  async unpack(snapshot: Snapshot, source = 'data', members?: readonly string[]): Promise<string> {
    const found = snapshot.manifest.sources.find(({ name }) => name === source)
    if (found === undefined) throw new Error(`no ${source} in ${snapshot.id}`)
    const dependencies = this.restoring()
    const parts = { ...dependencies, filePath: this.vault.filePath.bind(this.vault) }
    const contents = await readContents(snapshot, found, members, parts)
    const archives = locateArchives(contents.archives, snapshot, found, await this.all())
    const directory = join(this.path, '.relay-backup/restore-x/data')
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory, { recursive: true })
    const units = (members ?? contents.header.paths).map((member) => ({
      member,
      name: member.replace('/', '-'),
    }))
    await using remote = this.remote()
    await using lock = await this.vault.lock('prod')
    const context = { ...this.visit(remote), snapshot, lock }
    await stageGroup({ source: found, archives, directory, units }, context, dependencies)
    return directory
  }

  visit(remote: LocalHost): Visit {
    const probe = localProbe({ deployment: this.app })
    return { host: this.host, remote, probe, deployment: this.app, privilege: undefined, signal }
  }

  remote(): LocalHost {
    return new LocalHost({ path: `${join(this.path, 'bin')}:${process.env['PATH'] ?? ''}` })
  }

  dependencies(): PullDependencies {
    return {
      serverOf: () => Promise.resolve('lab'),
      vault: this.vault,
      encryptor: {
        recipients: [],
        encrypt: () => Promise.resolve({ stream: new PassThrough(), headBytes: 0 }),
      },
      writeArchive,
      createIndexBuilder,
      createSorter: createRecordSorter,
      listings: openListingStore(join(this.path, 'state')),
      throttle: (stream) => stream,
      resolveSecret: never('a secret'),
      sourceOf: () => Promise.resolve((this.listsTooMany ? withEndlessList() : filesSource) as never),
      findHelper: never('a helper'),
      lookAtVersions: () => Promise.resolve({ versions: {}, project: undefined }),
      connect: () => Promise.resolve(this.remote()),
      probe: () => Promise.resolve(localProbe({ deployment: this.app })),
      lockDeployment: () => Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() }),
      reporter: { event: (event) => this.events.push(event) },
      now: this.now,
      tool: { name: 'relay-backup', version: '0' },
    }
  }

  restoring(): RestoreDependencies {
    return {
      pull: this.dependencies(),
      decryptor: { decrypt: (message) => Promise.resolve(message) },
      openArchive,
      passTree: async (parts) => {
        const tree = await passTree(parts)
        if (tree !== undefined) this.passedOn.push(parts.name.snapshot)
        return tree
      },
      restorableOf: never('a kind'),
      confirm: never('a confirmation'),
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}
