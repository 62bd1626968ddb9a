import { assembleTree } from '../archive/assemble-tree.ts'
import { createCompress } from '../archive/compression.ts'
import { wrapInTar } from '../archive/wrap-in-tar.ts'
import { Readable, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { isDeepStrictEqual } from 'node:util'
import type { ArchiveName, AssembledTree, IndexEntry, TarDialect, TarEntry } from '../archive/contract.ts'
import { RelayError } from '../errors.ts'
import { Disposables } from '../model/disposables.ts'
import { isKept } from '../model/entry-types.ts'
import { pathFromJson, printable } from '../model/path-bytes.ts'
import { isStream, type ManifestSource } from '../model/snapshot.ts'
import type { HostProbe } from '../remote/contract.ts'
import type { Visit } from '../runs/visit.ts'
import type { HostLock, Snapshot } from '../vault/contract.ts'
import { mostOf, type NeededArchive } from './archives.ts'
import { isInside, sourceIndex } from './contents.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { ProofAlongside, proveFiles, type ExpectedFile } from './proof.ts'
import { digHoles, spawnUnpack, type UnpackOptions } from './server/staging.ts'

/** zstd 1 keeps up with any wire. */
const WIRE_LEVEL = 1

/** Units of one source that are unpacked into one directory. */
export interface StagedGroup {
  readonly source: ManifestSource
  /** The archives that hold the group's content. */
  readonly archives: readonly NeededArchive[]
  /** Absolute, exists and is empty. */
  readonly directory: string
  /** Each unit's tree is `directory/name`. `member` is its root in the archive. */
  readonly units: readonly { readonly member: string; readonly name: string }[]
}

export interface StageContext extends Visit {
  readonly snapshot: Snapshot
  /** Of the vault, for scratch data. */
  readonly lock: HostLock | undefined
}

/** The sums of what was unpacked and proven. */
export interface Staged {
  readonly entries: number
  readonly bytes: number
}

/**
 * Unpacks a group beside its targets and proves it there: what was captured is sent as it is stored, or put together
 * from its index and the archives that this names; the server hashes every file, and each must be what the index says.
 * Throws when anything differs or is missing; nothing outside the group's directory is written.
 */
export async function stageGroup(
  group: StagedGroup,
  context: StageContext,
  dependencies: RestoreDependencies,
): Promise<Staged> {
  if (isStream(group.source)) return await stageStream(group, context, dependencies)
  const { tree, proven } =
    (await sendStored(group, context, dependencies)) ?? (await sendAssembled(group, context, dependencies))
  await digHoles(context.remote, { ...here(group, context), names: tree.zeros })
  // A file whose holes were dug must be proven as it is after that.
  const dug = new Set(tree.zeros.map((name) => name.toString('latin1')))
  if (!proven || dug.size > 0) {
    const files = expectedFiles(group, tree.joined, context, dependencies, proven ? dug : undefined)
    await proveFiles(context.remote, files, { ...here(group, context), source: group.source.name })
  }
  return tree.totals
}

/** What was sent and unpacked; `proven` when the server has hashed every file of it, and all were as in the index. */
interface Sent {
  readonly tree: AssembledTree
  readonly proven: boolean
}

/** Sends the tree put together from its index and the archives that this names. */
async function sendAssembled(
  group: StagedGroup,
  context: StageContext,
  dependencies: RestoreDependencies,
): Promise<Sent> {
  const { pull } = dependencies
  await using scratch = new Disposables()
  const proof = new ProofAlongside(context.remote, here(group, context))
  let isTold = false
  const tree = assembleTree({
    entries: () => {
      const entries = entriesOf(group, context, dependencies)
      if (isTold) return entries
      isTold = true
      return expecting(proof, group, entries)
    },
    rename: (member) => stagedName(group, member),
    linkOutside: (entry) => linkOutside(group, entry),
    open: (name) => openNeeded(group, name, dependencies),
    scratchPath: async () => {
      if (context.lock === undefined) throw new Error('a restore holds the lock of its host')
      // This pending snapshot is never committed. It goes at the end, with its scratch files, or the next run sweeps
      // it.
      const pending = scratch.use(await pull.vault.begin(context.lock, pull.now, context.signal))
      return pending.scratchPath('tails')
    },
    onFile: (file) => proof.add(file),
    dialect: dialectOf(context.probe),
  })
  const joined = function* () {
    for (const [member, sha256] of tree.joined) {
      const name = stagedName(group, Buffer.from(member, 'latin1'))
      if (name !== undefined) yield { name, sha256 }
    }
  }
  const proven = await proof.during(
    (signal, onMembers) => sendTar(tree.stream, group, { ...context, signal }, { onMembers }),
    joined,
  )
  if (tree.directories !== undefined) {
    await sendTar(Readable.from([tree.directories]), group, context, { again: true })
  }
  return { tree, proven }
}

/**
 * Sends the archive as it is stored, when that is the tree that is wanted and the server can take it: nothing is
 * compressed a second time. Resolves with undefined when it is not, and nothing was sent.
 */
async function sendStored(
  group: StagedGroup,
  context: StageContext,
  dependencies: RestoreDependencies,
): Promise<Sent | undefined> {
  const { units, archives } = group
  const { probe } = context
  const [needed] = archives
  const [unit] = units
  if (needed === undefined || unit === undefined || archives.length !== 1 || units.length !== 1)
    return undefined
  const { snapshot } = needed
  const source = snapshot.manifest.sources.find(({ name }) => name === group.source.name)
  // An incremental lacks unchanged files, and a second archive repeats members of the first.
  if (source?.mode !== 'full' || source.archives.length !== 1) return undefined
  const { compression, file, plainBytes } = needed.archive
  const canUnpack = compression !== 'none' && probe.versions[compression] !== undefined
  if (probe.tar !== 'gnu' || !canUnpack || !RENAMEABLE.test(unit.member)) return undefined
  const proof = new ProofAlongside(context.remote, here(group, context))
  const index = (): AsyncGenerator<IndexEntry> => indexOf(group, context, dependencies)
  // The archive is an incremental's tree, too, when nothing has changed since.
  const entries =
    snapshot.id === context.snapshot.id
      ? index
      : () => stillAll(index(), indexOf({ ...group, source }, { ...context, snapshot }, dependencies))
  const tree = await dependencies.passTree({
    name: { snapshot: snapshot.id, archive: file },
    compression,
    plainBytes,
    entries: () => expecting(proof, group, onlyKept(entries())),
    rename: (member) => stagedName(group, member),
    open: () => openPlain({ ...needed, archive: { ...needed.archive, compression: 'none' } }, dependencies),
    onFile: (passed) => proof.add(passed),
  })
  if (tree === undefined) return undefined
  const proven = await proof.during(
    (signal, onMembers) =>
      send([tree.stream], group, { ...context, signal }, { compression, rename: unit, onMembers }),
    () => [],
  )
  return { tree, proven }
}

/**
 * The entries as they come, while they are those `before`; undefined, and no more, at the first that is not, and where
 * nobody can tell: what can't be read of another snapshot keeps nobody from this one.
 */
async function* stillAll(
  entries: AsyncIterable<IndexEntry>,
  before: AsyncGenerator<IndexEntry>,
): AsyncGenerator<IndexEntry | undefined> {
  const next = (): Promise<unknown> =>
    before.next().then(
      ({ done, value }) => (done === true ? undefined : value),
      () => 'unreadable',
    )
  try {
    for await (const entry of entries) {
      if (!isDeepStrictEqual(await next(), entry)) return yield undefined
      yield entry
    }
    if ((await next()) !== undefined) yield undefined
  } finally {
    await before.return(undefined)
  }
}

/** What two snapshots hold of a source is the same, entry by entry, times and owners too. */
export async function isSameTree(
  one: Pick<StagedGroup, 'source'> & Pick<StageContext, 'snapshot'>,
  other: typeof one,
  dependencies: RestoreDependencies,
): Promise<boolean> {
  const vault = dependencies.pull.vault
  const parts = { ...dependencies, filePath: vault.filePath.bind(vault) }
  const [now, before] = [other, one].map(({ snapshot, source }) => sourceIndex(snapshot, source, parts))
  for await (const entry of stillAll(now!, before!)) if (entry === undefined) return false
  return true
}

/** Undefined for a member that is not restored: then the stored archive is more than the tree. */
async function* onlyKept(
  entries: AsyncIterable<IndexEntry | undefined>,
): AsyncGenerator<IndexEntry | undefined> {
  for await (const entry of entries) yield entry !== undefined && isKept(entry.type) ? entry : undefined
}

/** Tells the proof what the index expects, as the index is read. */
async function* expecting<T extends IndexEntry | undefined>(
  proof: ProofAlongside,
  group: StagedGroup,
  entries: AsyncIterable<T>,
): AsyncGenerator<T> {
  for await (const entry of entries) {
    const name = entry?.type === 'file' ? stagedName(group, pathFromJson(entry.path)) : undefined
    if (name !== undefined && entry?.sha256 !== undefined) proof.expect(name, entry.sha256)
    yield entry
  }
}

/** Roots of archives that the server's tar can be told to call otherwise: only the dot is special in a pattern. */
const RENAMEABLE = /^[\w./-]+$/

/** A dump that is one file: it is named as its server looks for it. */
async function stageStream(
  group: StagedGroup,
  context: StageContext,
  dependencies: RestoreDependencies,
): Promise<Staged> {
  const totals = { entries: 0, bytes: 0 }
  const { streamFile } = await dependencies.restorableOf(group.source.kind)
  if (streamFile === undefined) throw new Error(`a stream of a ${group.source.kind} source is no file`)
  for (const needed of group.archives) {
    const size = needed.archive.plainBytes
    const tar = wrapInTar(await openPlain(needed, dependencies), {
      path: Buffer.from(`${group.units[0]?.name ?? ''}/${streamFile}`),
      size,
      mode: 0o600,
      mtimeMs: Date.parse(context.snapshot.manifest.createdAt),
      dialect: dialectOf(context.probe),
    })
    await sendTar(tar, group, context)
    totals.entries += 1
    totals.bytes += size
  }
  return totals
}

function here(group: StagedGroup, { privilege, signal }: StageContext) {
  return { directory: group.directory, privilege, signal }
}

function dialectOf(probe: HostProbe): TarDialect {
  return probe.tar === 'gnu' ? 'pax' : 'gnu'
}

/** An archive, decrypted and not compressed. It fails at its end when it is not what was captured. */
export function openPlain(
  { snapshot, archive }: NeededArchive,
  { pull, decryptor, openArchive }: RestoreDependencies,
): Promise<Readable> {
  const path = pull.vault.filePath(snapshot, archive.file)
  return openArchive({ path, compression: archive.compression, decryptor, most: mostOf(archive) })
}

async function openNeeded(group: StagedGroup, name: ArchiveName, dependencies: RestoreDependencies) {
  const needed = group.archives.find(
    ({ snapshot, archive }) => snapshot.id === name.snapshot && archive.file === name.archive,
  )
  if (needed === undefined) throw new Error(`${name.snapshot}/${name.archive} was not looked for`)
  return { plain: await openPlain(needed, dependencies), plainBytes: needed.archive.plainBytes }
}

/** The lines of the index that belong to the group. Snapshots of old have device nodes: these stay out. */
async function* entriesOf(
  group: StagedGroup,
  context: StageContext,
  dependencies: RestoreDependencies,
): AsyncGenerator<IndexEntry> {
  for await (const entry of indexOf(group, context, dependencies)) {
    if (isKept(entry.type) && stagedName(group, pathFromJson(entry.path)) !== undefined) yield entry
  }
}

function indexOf(
  { source }: StagedGroup,
  { snapshot }: StageContext,
  dependencies: RestoreDependencies,
): AsyncGenerator<IndexEntry> {
  const { vault } = dependencies.pull
  return sourceIndex(snapshot, source, { ...dependencies, filePath: vault.filePath.bind(vault) })
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

async function sendTar(
  tar: Readable,
  group: StagedGroup,
  context: StageContext,
  how: Pick<UnpackOptions, 'again' | 'onMembers'> = {},
): Promise<void> {
  const compression = context.probe.versions.zstd !== undefined ? 'zstd' : 'none'
  await send(
    [tar, createCompress(compression, compression === 'zstd' ? WIRE_LEVEL : undefined)],
    group,
    context,
    { ...how, compression },
  )
}

/** Unpacks a compressed tar on the server. */
async function send(
  stream: readonly [Readable, ...Transform[]],
  group: StagedGroup,
  context: StageContext,
  how: Pick<UnpackOptions, 'again' | 'compression' | 'rename' | 'onMembers'>,
): Promise<void> {
  const { probe, signal } = context
  const unpack = await spawnUnpack(context.remote, {
    ...here(group, context),
    ...how,
    owners: probe.uid === 0 || context.privilege !== undefined,
    extras: probe.tar === 'gnu',
  })
  try {
    await pipeline([...stream, unpack.stdin], { signal })
  } catch (error) {
    unpack.kill()
    // When the server's tar ended first, its error says why. When our side stopped first, our error is the reason.
    const remote: unknown = await unpack.done.catch((reason: unknown) => reason)
    const isOurs = error instanceof RelayError || signal.aborted
    throw isOurs || !(remote instanceof RelayError) ? error : remote
  }
  await unpack.done
}

/** The files of the group as the index has them, or as what their segments come to. `only` holds staged names in latin1. */
async function* expectedFiles(
  group: StagedGroup,
  joined: ReadonlyMap<string, string>,
  context: StageContext,
  dependencies: RestoreDependencies,
  only: ReadonlySet<string> | undefined,
): AsyncGenerator<ExpectedFile> {
  for await (const entry of entriesOf(group, context, dependencies)) {
    const path = pathFromJson(entry.path)
    const staged = stagedName(group, path)
    if (entry.type !== 'file' || staged === undefined) continue
    if (only !== undefined && !only.has(staged.toString('latin1'))) continue
    const sha256 = joined.get(path.toString('latin1')) ?? entry.sha256
    if (sha256 === undefined) throw new Error(`${printable(path)} was not put together`)
    yield { path, staged, sha256 }
  }
}
