import { NearestPath } from '../model/nearest.ts'
import { readIndex, readStreamIndex } from '../archive/index-file.ts'
import type { Readable } from 'node:stream'
import type {
  ArchiveName,
  EntryType,
  IndexEntry,
  IndexHeader,
  StreamEntry,
  StreamIndexHeader,
} from '../archive/contract.ts'
import { DamageError, UsageError } from '../errors.ts'
import { isKept } from '../model/entry-types.ts'
import { pathFromJson, printable } from '../model/path-bytes.ts'
import { hasAcl } from '../model/posix-acl.ts'
import { isStream, type ManifestFile, type ManifestSource } from '../model/snapshot.ts'
import type { DumpedObject } from '../sources/kind.ts'
import type { Snapshot } from '../vault/contract.ts'
import type { RestoreDependencies } from './dependencies.ts'

/** What a source of a snapshot holds, from its index. */
export interface SourceContents {
  readonly header: IndexHeader
  /** Counts of the entries that are to be restored. */
  readonly entries: number
  /** Content bytes of what is to be restored; of a `stream` all its archives. */
  readonly bytes: number
  /** How many of the entries have an ACL. */
  readonly acls: number
  /** Device nodes, which old snapshots have and no restore makes: how many, and the names of the first. */
  readonly leftOut: { readonly count: number; readonly names: readonly string[] }
  /** The uids that own these entries. */
  readonly owners: ReadonlySet<number>
  /** Types of the entries asked for by name: the source's paths, or those of `--path`; latin1. */
  readonly types: ReadonlyMap<string, EntryType>
  /** Of a dump of which only parts are to be restored: all that it holds. */
  readonly objects?: readonly DumpedObject[] | undefined
  /** Where the content of what is to be restored is, oldest first; for a `stream` its own archives. */
  readonly archives: readonly ArchiveName[]
}

/** Of device nodes that are left out. */
const NAMED = 5

/** What it takes to open an index. */
export type IndexParts = Pick<RestoreDependencies, 'decryptor' | 'openArchive'> & {
  readonly filePath: (snapshot: Snapshot, file: string) => string
}

/**
 * The entries of the index of a source that is a tree of files, proven when the generator ended. `onHeader` sees the
 * header first.
 */
export async function* sourceIndex(
  snapshot: Snapshot,
  source: ManifestSource,
  parts: IndexParts,
  onHeader?: (header: IndexHeader) => void,
): AsyncGenerator<IndexEntry> {
  if (source.index === undefined || isStream(source)) return
  const plain = await openIndex(snapshot, source.index, parts)
  yield* readIndex(plain, onHeader === undefined ? {} : { onHeader })
}

/** An index shrinks to a tenth by its hashes, and to a hundredth without any. What shrinks to less than this is none. */
const MOST_RATIO = 1000
/** Bytes of an index that may shrink to nothing. */
const ALWAYS_PLAIN = 64 * 1024 * 1024

function openIndex(
  snapshot: Snapshot,
  { file, bytes }: ManifestFile,
  { openArchive, decryptor, filePath }: Pick<IndexParts, 'openArchive' | 'decryptor' | 'filePath'>,
): Promise<Readable> {
  const most = ALWAYS_PLAIN + bytes * MOST_RATIO
  return openArchive({ path: filePath(snapshot, file), compression: 'zstd', decryptor, most })
}

/** The objects in the index of a source that is a dump, proven when the generator ended. */
export async function* sourceObjects(
  snapshot: Snapshot,
  source: ManifestSource,
  parts: IndexParts,
  onHeader?: (header: StreamIndexHeader) => void,
): AsyncGenerator<StreamEntry> {
  if (source.index === undefined || !isStream(source)) return
  const plain = await openIndex(snapshot, source.index, parts)
  yield* readStreamIndex(plain, onHeader === undefined ? {} : { onHeader })
}

/** The error for an index that another snapshot's place has. */
export function indexOfAnother({ name }: Pick<ManifestSource, 'name'>): DamageError {
  return new DamageError('index-of-another', `The index of ${name} is not of this snapshot`, {
    source: name,
    next: 'Take another snapshot, and run: relay-backup verify --all',
  })
}

/**
 * Reads a source's whole index: proves that the identity opens it, that it is whole, and that every path asked for
 * is in it. Throws UsageError for one that is not.
 */
export async function readContents(
  snapshot: Snapshot,
  source: ManifestSource,
  paths: readonly string[] | undefined,
  parts: IndexParts,
): Promise<SourceContents> {
  let header: IndexHeader | undefined
  let entries = 0
  let bytes = 0
  let leftOut = 0
  const leftNames: string[] = []
  let acls = 0
  const owners = new Set<number>()
  const types = new Map<string, EntryType>()
  const archives = new Map<string, ArchiveName>()
  const asked = paths?.map((path) => Buffer.from(path).toString('latin1'))
  const near = new Map(asked?.map((path) => [path, new NearestPath(path)]))
  for await (const entry of sourceIndex(snapshot, source, parts, (seen) => (header = seen))) {
    const name = pathFromJson(entry.path).toString('latin1')
    const roots =
      asked ?? header?.paths.map(memberOf).map((path) => Buffer.from(path).toString('latin1')) ?? []
    const root = roots.find((one) => isInside(name, one))
    if (root === undefined) {
      for (const nearest of near.values()) nearest.look(name)
      continue
    }
    if (name === root) types.set(root, entry.type)
    if (!isKept(entry.type)) {
      leftOut += 1
      if (leftNames.length < NAMED) leftNames.push(printable(pathFromJson(entry.path)))
      continue
    }
    entries += 1
    if (entry.xattrs !== undefined && hasAcl(Object.keys(entry.xattrs))) acls += 1
    bytes += entry.size
    for (const { snapshot: id, archive } of entry.segments ?? []) {
      archives.set(`${id}/${archive}`, { snapshot: id, archive })
    }
    owners.add(entry.uid)
  }
  let count = 0
  let of: string | undefined
  const objects: DumpedObject[] = []
  for await (const { archive, name, type, rows } of sourceObjects(
    snapshot,
    source,
    parts,
    (seen) => (of = seen.snapshot),
  )) {
    count += 1
    if (paths === undefined) continue
    const part = source.archives.find(({ file }) => file === archive)?.part ?? ''
    objects.push({ part, name, type, rows })
  }
  const missing = isStream(source)
    ? undefined
    : paths?.find((path) => !types.has(Buffer.from(path).toString('latin1')))
  if (missing !== undefined) {
    const name = near.get(Buffer.from(missing).toString('latin1'))?.name
    const hint =
      name === undefined ? '' : `Did you mean ${source.name}:${printable(Buffer.from(name, 'latin1'))}? `
    throw new UsageError(`${source.name} of ${snapshot.host}/${snapshot.id} has no ${missing}`, {
      source: source.name,
      next: `${hint}Name it as it is in the archive, for example ${source.name}:${header?.paths[0] ?? 'path'}/file`,
    })
  }
  if (source.index !== undefined && (of ?? header?.snapshot) !== snapshot.id) throw indexOfAnother(source)
  const isRestored = (path: string): boolean =>
    isKept(types.get(Buffer.from(memberOf(path)).toString('latin1')) ?? 'file')
  const device = paths?.find((path) => !isRestored(path))
  const restored = header?.paths.filter(isRestored) ?? []
  if (device !== undefined) throw noDevice(source, device)
  const [first] = header?.paths ?? []
  if (first !== undefined && restored.length === 0) throw noDevice(source, first)
  return {
    header: { format: 1, source: source.name, snapshot: snapshot.id, ...header, paths: restored },
    entries: isStream(source) ? count : entries,
    bytes: isStream(source) ? source.archives.reduce((sum, { plainBytes }) => sum + plainBytes, 0) : bytes,
    acls,
    leftOut: { count: leftOut, names: leftNames },
    owners,
    types,
    ...(isStream(source) && paths !== undefined ? { objects } : {}),
    archives: isStream(source)
      ? source.archives.map(({ file }) => ({ snapshot: snapshot.id, archive: file }))
      : [...archives].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, name]) => name),
  }
}

function noDevice(source: ManifestSource, path: string): UsageError {
  return new UsageError(`${printable(path)} of ${source.name} is a device node, and no restore makes one`, {
    source: source.name,
    next: 'Leave it out: name the sources or the paths that are to be restored (--source, --path).',
  })
}

/** How a configured path is named in an archive: absolute ones lose their leading slash. */
export function memberOf(path: string): string {
  return path.startsWith('/') ? path.slice(1) : path
}

/** `name` is `root` or lies below it. */
export function isInside(name: string, root: string): boolean {
  return name === root || name.startsWith(`${root}/`)
}
