import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { TarDialect, TarEntry } from '../archive/contract.ts'
import { DamageError, RelayError, RemoteError } from '../errors.ts'
import { pathFromJson, printable } from '../model/path-bytes.ts'
import type { ManifestArchive, ManifestSource } from '../model/snapshot.ts'
import type { HostProbe, Privilege, RemoteHost } from '../remote/contract.ts'
import type { Snapshot } from '../vault/contract.ts'
import { isInside, sourceIndex } from './contents.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { digHoles, hashStaged, spawnUnpack } from './server/staging.ts'

/** Units of one source that are unpacked into one directory. */
export interface StagedGroup {
  readonly source: ManifestSource
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
  readonly signal: AbortSignal
}

/** What was unpacked and proven. */
export interface Staged {
  readonly entries: number
  readonly bytes: number
}

/**
 * Unpacks a group beside its targets and proves it there: every archive is decrypted, walked, filtered and sent;
 * then the server hashes every file, and each must be what the index says. Throws when anything differs or is
 * missing; nothing outside the group's directory is written.
 */
export async function stageGroup(
  group: StagedGroup,
  context: StageContext,
  dependencies: RestoreDependencies,
): Promise<Staged> {
  const sparse: Buffer[] = []
  let entries = 0
  let bytes = 0
  for (const archive of group.source.archives) {
    const { tar, totals, directories } = await openForTarget(group, archive, context, dependencies, sparse)
    await send(tar, group, context, dependencies, false)
    const again = directories()
    if (again !== undefined) await send(Readable.from([again]), group, context, dependencies, true)
    entries += totals().entries
    bytes += totals().bytes
  }
  await digHoles(context.remote, { ...here(group, context), names: sparse })
  await proveHashes(group, context, dependencies)
  return { entries, bytes }
}

function here(group: StagedGroup, context: StageContext) {
  return { directory: group.directory, privilege: context.privilege, signal: context.signal }
}

/** An archive as a tar for the target: only the group's members, named as they are staged. */
async function openForTarget(
  group: StagedGroup,
  archive: ManifestArchive,
  context: StageContext,
  { pull, decryptor, openArchive, rewriteTar, wrapInTar }: RestoreDependencies,
  sparse: Buffer[],
): Promise<{
  readonly tar: Readable
  readonly totals: () => Staged
  readonly directories: () => Buffer | undefined
}> {
  const dialect: TarDialect = context.probe.tar === 'gnu' ? 'pax' : 'gnu'
  const plain = await openArchive({
    path: pull.vault.filePath(context.snapshot, archive.file),
    compression: archive.compression,
    decryptor,
  })
  if (group.source.format === 'stream') {
    const name = group.units[0]?.name ?? ''
    const path = Buffer.from(`${name}/dump.rdb`)
    const size = archive.plainBytes
    const tar = wrapInTar(plain, {
      path,
      size,
      mode: 0o600,
      mtimeMs: Date.parse(context.snapshot.manifest.createdAt),
      dialect,
    })
    return { tar, totals: () => ({ entries: 1, bytes: size }), directories: () => undefined }
  }
  let totals: Staged = { entries: 0, bytes: 0 }
  let directories: Buffer | undefined
  const tar = rewriteTar(plain, {
    select: (entry) => selectFor(group, entry),
    dialect,
    maxBytes: archive.plainBytes,
    onEnd: (seen) => (totals = seen),
    onZeros: (path) => sparse.push(path),
    onDirectories: (again) => (directories = again),
  })
  return { tar, totals: () => totals, directories: () => directories }
}

/** The staged name of a member, and of what a hard link points to. */
function selectFor(group: StagedGroup, entry: TarEntry): { path: Buffer; linkPath?: Buffer } | undefined {
  const path = stagedName(group, entry.path)
  if (path === undefined) return undefined
  if (entry.type !== 'hardlink' || entry.linkPath === undefined) return { path }
  const linkPath = stagedName(group, entry.linkPath)
  if (linkPath !== undefined) return { path, linkPath }
  throw new RelayError(
    'hardlink-outside',
    `${printable(entry.path)} is a hard link to ${printable(entry.linkPath)}`,
    {
      source: group.source.name,
      next: `Restore both: add --path ${group.source.name}:${printable(entry.linkPath)}`,
    },
  )
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

/** Every file of the group, hashed on the server, against the index. */
async function proveHashes(
  group: StagedGroup,
  context: StageContext,
  dependencies: RestoreDependencies,
): Promise<void> {
  if (group.source.index === undefined) return
  const expected: { readonly name: string; readonly sha256: string }[] = []
  const parts = { ...dependencies, filePath: dependencies.pull.vault.filePath.bind(dependencies.pull.vault) }
  async function* names(): AsyncGenerator<Buffer> {
    for await (const entry of sourceIndex(context.snapshot, group.source, parts)) {
      const path = pathFromJson(entry.path)
      const staged = entry.sha256 === undefined ? undefined : stagedName(group, path)
      if (staged === undefined || entry.sha256 === undefined) continue
      expected.push({ name: printable(path), sha256: entry.sha256 })
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
