import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ArchiveName, IndexEntry, TarDialect, TarEntry } from '../archive/contract.ts'
import { DamageError, RelayError, RemoteError } from '../errors.ts'
import { pathFromJson, printable } from '../model/path-bytes.ts'
import type { ManifestSource } from '../model/snapshot.ts'
import type { HostProbe, Privilege, RemoteHost } from '../remote/contract.ts'
import type { HostLock, Snapshot } from '../vault/contract.ts'
import type { NeededArchive } from './archives.ts'
import { isInside, sourceIndex } from './contents.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { digHoles, hashStaged, spawnUnpack } from './server/staging.ts'

/** Units of one source that are unpacked into one directory. */
export interface StagedGroup {
  readonly source: ManifestSource
  /** What the group's content is in. */
  readonly archives: readonly NeededArchive[]
  /** Absolute, exists and is empty. */
  readonly directory: string
  /** Each unit's tree is `directory/name`. `member` is its root in the archive. */
  readonly units: readonly { readonly member: string; readonly name: string }[]
}

export interface StageContext {
  readonly remote: RemoteHost
  readonly probe: HostProbe
  readonly privilege: Privilege | undefined
  readonly snapshot: Snapshot
  /** Of the vault, for scratch data. */
  readonly lock: HostLock | undefined
  readonly signal: AbortSignal
}

/** What was unpacked and proven. */
export interface Staged {
  readonly entries: number
  readonly bytes: number
}

/**
 * Unpacks a group beside its targets and proves it there: the tree is put together from its index and the archives
 * that this names, and sent; then the server hashes every file, and each must be what the index says. Throws when
 * anything differs or is missing; nothing outside the group's directory is written.
 */
export async function stageGroup(
  group: StagedGroup,
  context: StageContext,
  dependencies: RestoreDependencies,
): Promise<Staged> {
  if (group.source.format === 'stream') return await stageStream(group, context, dependencies)
  const { pull } = dependencies
  await using scratch = new AsyncDisposableStack()
  const tree = dependencies.assembleTree({
    entries: () => entriesOf(group, context, dependencies),
    rename: (member) => stagedName(group, member),
    linkOutside: (entry) => linkOutside(group, entry),
    open: (name) => openNeeded(group, name, dependencies),
    scratchPath: async () => {
      if (context.lock === undefined) throw new Error('a restore holds the lock of its host')
      // Never committed: it and what was set aside in it are gone at the end, or with the next run.
      const pending = scratch.use(await pull.vault.begin(context.lock, pull.now, context.signal))
      return pending.scratchPath('tails')
    },
    dialect: dialectOf(context.probe),
  })
  await send(tree.stream, group, context, dependencies, false)
  if (tree.directories !== undefined) {
    await send(Readable.from([tree.directories]), group, context, dependencies, true)
  }
  await digHoles(context.remote, { ...here(group, context), names: tree.zeros })
  await proveHashes(group, tree.joined, context, dependencies)
  return tree.totals
}

/** A dump that is one file: it is named as Redis looks for it. */
async function stageStream(
  group: StagedGroup,
  context: StageContext,
  dependencies: RestoreDependencies,
): Promise<Staged> {
  const totals = { entries: 0, bytes: 0 }
  for (const needed of group.archives) {
    const size = needed.archive.plainBytes
    const tar = dependencies.wrapInTar(await openPlain(needed, dependencies), {
      path: Buffer.from(`${group.units[0]?.name ?? ''}/dump.rdb`),
      size,
      mode: 0o600,
      mtimeMs: Date.parse(context.snapshot.manifest.createdAt),
      dialect: dialectOf(context.probe),
    })
    await send(tar, group, context, dependencies, false)
    totals.entries += 1
    totals.bytes += size
  }
  return totals
}

function here(group: StagedGroup, context: StageContext) {
  return { directory: group.directory, privilege: context.privilege, signal: context.signal }
}

function dialectOf(probe: HostProbe): TarDialect {
  return probe.tar === 'gnu' ? 'pax' : 'gnu'
}

function openPlain(
  { snapshot, archive }: NeededArchive,
  { pull, decryptor, openArchive }: RestoreDependencies,
): Promise<Readable> {
  const path = pull.vault.filePath(snapshot, archive.file)
  return openArchive({ path, compression: archive.compression, decryptor })
}

async function openNeeded(group: StagedGroup, name: ArchiveName, dependencies: RestoreDependencies) {
  const needed = group.archives.find(
    ({ snapshot, archive }) => snapshot.id === name.snapshot && archive.file === name.archive,
  )
  if (needed === undefined) throw new Error(`${name.snapshot}/${name.archive} was not looked for`)
  return { plain: await openPlain(needed, dependencies), plainBytes: needed.archive.plainBytes }
}

/** The lines of the index that belong to the group. */
async function* entriesOf(
  group: StagedGroup,
  { snapshot }: StageContext,
  dependencies: RestoreDependencies,
): AsyncGenerator<IndexEntry> {
  const { vault } = dependencies.pull
  const parts = { ...dependencies, filePath: vault.filePath.bind(vault) }
  for await (const entry of sourceIndex(snapshot, group.source, parts)) {
    if (stagedName(group, pathFromJson(entry.path)) !== undefined) yield entry
  }
}

function linkOutside(group: StagedGroup, { path, linkPath = Buffer.alloc(0) }: TarEntry): RelayError {
  return new RelayError('hardlink-outside', `${printable(path)} is a hard link to ${printable(linkPath)}`, {
    source: group.source.name,
    next: `Restore both: add --path ${group.source.name}:${printable(linkPath)}`,
  })
}

function stagedName(group: StagedGroup, member: Buffer): Buffer | undefined {
  const name = member.toString('latin1')
  for (const unit of group.units) {
    const root = Buffer.from(unit.member).toString('latin1')
    if (isInside(name, root)) return Buffer.from(unit.name + name.slice(root.length), 'latin1')
  }
  return undefined
}

async function send(
  tar: Readable,
  group: StagedGroup,
  context: StageContext,
  { compress }: RestoreDependencies,
  again: boolean,
): Promise<void> {
  const { probe, signal } = context
  const compression = probe.versions.zstd !== undefined ? 'zstd' : 'none'
  const unpack = await spawnUnpack(context.remote, {
    ...here(group, context),
    again,
    compression,
    owners: probe.uid === 0 || context.privilege !== undefined,
    extras: probe.tar === 'gnu',
  })
  try {
    await pipeline(tar, compress(compression), unpack.stdin, { signal })
  } catch (error) {
    unpack.kill()
    // When the server's tar ended first, it knows why; what stopped on our side is its own reason.
    const remote: unknown = await unpack.done.catch((reason: unknown) => reason)
    const isOurs = error instanceof RelayError || signal.aborted
    throw isOurs || !(remote instanceof RelayError) ? error : remote
  }
  await unpack.done
}

/** Every file of the group, hashed on the server, against the index, or what its segments come to. */
async function proveHashes(
  group: StagedGroup,
  joined: ReadonlyMap<string, string>,
  context: StageContext,
  dependencies: RestoreDependencies,
): Promise<void> {
  const expected: { readonly name: string; readonly sha256: string }[] = []
  async function* names(): AsyncGenerator<Buffer> {
    for await (const entry of entriesOf(group, context, dependencies)) {
      const path = pathFromJson(entry.path)
      const staged = stagedName(group, path)
      if (entry.type !== 'file' || staged === undefined) continue
      const sha256 = joined.get(path.toString('latin1')) ?? entry.sha256
      if (sha256 === undefined) throw new Error(`${printable(path)} was not put together`)
      expected.push({ name: printable(path), sha256 })
      yield staged
    }
  }
  for await (const found of hashStaged(context.remote, { ...here(group, context), names: names() })) {
    const file = expected.shift()
    if (file === undefined)
      throw new RemoteError('hash-order', 'the server hashed more files than were asked for')
    if (typeof found === 'object' && found.sha256 === file.sha256) continue
    throw new DamageError(
      'restored-differs',
      `${file.name} is ${typeof found === 'object' ? 'not what was captured' : found} on the target after it was unpacked`,
      {
        source: group.source.name,
        next: 'Nothing was replaced. Check the target: disk, memory, other writers; then restore again.',
      },
    )
  }
}
