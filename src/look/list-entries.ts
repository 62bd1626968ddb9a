import type { EntryType, IndexEntry, IndexFlag, StreamEntry } from '../archive/contract.ts'
import { pathFromJson, pathToJson, printable, type PathJson } from '../model/path-bytes.ts'
import { isStream } from '../model/snapshot.ts'
import { isInside, sourceIndex, sourceObjects } from '../restore/contents.ts'
import { dumpName, indexParts, type LookDependencies, type LookedAt } from './dependencies.ts'
import type { FoundPath } from './resolve-path.ts'

/** A line of `ls`. */
export interface LookEntry {
  readonly source: string
  readonly path: PathJson
  readonly type: EntryType | 'dump'
  /** Bytes of content. */
  readonly size: number
  /** ISO 8601, UTC. */
  readonly mtime: string
  /** Permission bits; absent of a dump, which is no file on its server. */
  readonly mode?: number | undefined
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  readonly owner?: string | undefined
  readonly group?: string | undefined
  readonly link?: PathJson | undefined
  /** Absent in a file that was put together of several parts, each with its own hash. */
  readonly sha256?: string | undefined
  readonly flags?: readonly IndexFlag[] | undefined
  /** What a dump holds. */
  readonly objects?: readonly Omit<StreamEntry, 'archive'>[] | undefined
}

/**
 * What is at a path of a source: a directory's entries, all below it with `recursive`, or the one that is no directory.
 * Sorted by name. Reads only the index.
 */
export async function listEntries(
  at: LookedAt,
  found: FoundPath,
  { recursive }: { readonly recursive: boolean },
  dependencies: LookDependencies,
): Promise<LookEntry[]> {
  if (isStream(at.source)) return await listDump(at, found, dependencies)
  const { snapshot, source } = at
  if (found.implied === true && !recursive) return await listOutermost(at, found, dependencies)
  const listed: { readonly name: string; readonly entry: IndexEntry }[] = []
  const top = topOf(found)
  for await (const entry of sourceIndex(snapshot, source, indexParts(dependencies))) {
    const name = pathFromJson(entry.path).toString('latin1')
    if (isShown(name, top, recursive)) listed.push({ name, entry })
  }
  // A source of one directory is looked into, as `ls DIRECTORY` does.
  const [only] = listed
  if (found.member === '' && !recursive && listed.length === 1 && only?.entry.type === 'directory') {
    return await listEntries(
      at,
      { ...found, member: only.name, type: 'directory' },
      { recursive },
      dependencies,
    )
  }
  return listed
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ entry }) => lookEntry(source.name, entry))
}

/** What lies in a directory that has no entry of its own: everything there that is not in a directory which has one. */
async function listOutermost(
  { snapshot, source }: LookedAt,
  { member }: FoundPath,
  dependencies: LookDependencies,
): Promise<LookEntry[]> {
  const directories = new Set<string>()
  for await (const entry of sourceIndex(snapshot, source, indexParts(dependencies))) {
    const name = pathFromJson(entry.path).toString('latin1')
    if (entry.type === 'directory' && isInside(name, member)) directories.add(name)
  }
  const listed = new Map<string, LookEntry>()
  for await (const entry of sourceIndex(snapshot, source, indexParts(dependencies))) {
    const name = pathFromJson(entry.path).toString('latin1')
    if (isInside(name, member) && !liesIn(name, directories)) listed.set(name, lookEntry(source.name, entry))
  }
  return [...listed].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry)
}

function liesIn(name: string, directories: ReadonlySet<string>): boolean {
  for (let slash = name.lastIndexOf('/'); slash > 0; slash = name.lastIndexOf('/', slash - 1)) {
    if (directories.has(name.slice(0, slash))) return true
  }
  return false
}

/** What is listed: these members, or what is right in them. */
function topOf({ member, type, roots }: FoundPath): {
  readonly members: readonly string[]
  readonly into: boolean
} {
  if (member !== '') return { members: [member], into: type === 'directory' }
  const outer = roots.filter((root) => !roots.some((other) => other !== root && isInside(root, other)))
  return { members: outer, into: false }
}

function isShown(name: string, { members, into }: ReturnType<typeof topOf>, recursive: boolean): boolean {
  if (recursive) return members.some((one) => isInside(name, one) && !(into && name === one))
  if (!into) return members.includes(name)
  const parent = name.slice(0, Math.max(0, name.lastIndexOf('/')))
  return members.includes(parent) && name !== ''
}

export function lookEntry(source: string, entry: IndexEntry): LookEntry {
  const { path, type, size, mode, uid, gid, owner, group, link, sha256, flags } = entry
  return {
    source,
    path,
    type,
    size: type === 'file' ? size : 0,
    mtime: isoTime(entry.mtimeNs),
    mode,
    uid,
    gid,
    owner,
    group,
    link,
    sha256,
    flags,
  }
}

/** As it can be given to `ls`, `cat` and `extract` again; a directory ends with a slash. */
export function shownEntry({ source, path, type }: Pick<LookEntry, 'source' | 'path' | 'type'>): string {
  return `${source}:${printable(pathFromJson(path))}${type === 'directory' ? '/' : ''}`
}

/** When an entry was changed, for a person: `2026-11-28 12:00:00`, UTC. */
export function shownTime({ mtime }: Pick<LookEntry, 'mtime'>): string {
  return `${mtime.slice(0, 10)} ${mtime.slice(11, 19)}`
}

/** Nanoseconds since the epoch as a time; one that no clock shows is as near as there is. */
export function isoTime(ns: string): string {
  const most = 8_640_000_000_000_000
  return new Date(Math.min(most, Math.max(-most, Number(BigInt(ns) / 1_000_000n)))).toISOString()
}

async function listDump(
  { snapshot, source }: LookedAt,
  { member }: FoundPath,
  dependencies: LookDependencies,
): Promise<LookEntry[]> {
  const objects = new Map<string, Omit<StreamEntry, 'archive'>[]>()
  for await (const { archive, ...object } of sourceObjects(snapshot, source, indexParts(dependencies))) {
    objects.set(archive, [...(objects.get(archive) ?? []), object])
  }
  return source.archives
    .filter((archive) => member === '' || dumpName(archive) === member)
    .map((archive) => ({
      source: source.name,
      path: pathToJson(Buffer.from(dumpName(archive))),
      type: 'dump',
      size: archive.plainBytes,
      mtime: snapshot.manifest.createdAt,
      objects: objects.get(archive.file) ?? [],
    }))
}
