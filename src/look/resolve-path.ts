import type { EntryType, IndexHeader } from '../archive/contract.ts'
import { UsageError } from '../errors.ts'
import { NearestPath } from '../model/nearest.ts'
import { latin1, pathFromJson, printable } from '../model/path-bytes.ts'
import { isStream } from '../model/snapshot.ts'
import { indexOfAnother, memberOf, sourceIndex, sourceObjects } from '../restore/contents.ts'
import { refuseRemoved } from '../restore/archives.ts'
import { candidatesOf, type LookAddress } from './address.ts'
import { dumpName, indexParts, type LookDependencies, type LookedAt } from './dependencies.ts'
import { formatCount } from '../model/units.ts'

/** What an address means in a source of a snapshot. */
export interface FoundPath {
  /** The member's name in latin1; '' for all of the source. Of a dump, the name of its file. */
  readonly member: string
  /** Absent for all of the source; `dump` for a file of a source that is a dump. */
  readonly type?: EntryType | 'dump' | undefined
  /** A directory that has no entry of its own: only what lies below it was captured. */
  readonly implied?: boolean
  /** The source's own paths as members, in latin1; empty for a dump. */
  readonly roots: readonly string[]
}

/**
 * Finds the path of an address in the source's index, which it reads to its end: so the identity opens it, and it is
 * whole. Throws UsageError, with the nearest name, for a path that is not in it.
 */
export async function resolvePath(
  at: LookedAt,
  { path }: LookAddress,
  dependencies: LookDependencies,
): Promise<FoundPath> {
  const { snapshot, source } = at
  if (source.index === undefined) throw notThere(at, path, undefined)
  refuseRemoved(snapshot, [source.index])
  if (isStream(source)) return await resolveDump(at, path, dependencies)
  let header: IndexHeader | undefined
  let roots: string[] = []
  let candidates: string[] = []
  let shown: string[] = []
  const found = new Map<string, EntryType>()
  const implied = new Set<string>()
  const nearest = new NearestPath(latin1(path))
  const entries = sourceIndex(snapshot, source, indexParts(dependencies), (seen) => {
    header = seen
    roots = seen.paths.map((root) => latin1(memberOf(root)))
    candidates = path === '' ? [] : candidatesOf(path, roots)
    shown = [path, ...seen.paths.map((root) => `${memberOf(root)}/${path}`)]
  })
  for await (const entry of entries) {
    if (candidates.length === 0) continue
    const bytes = pathFromJson(entry.path)
    const name = bytes.toString('latin1')
    for (const one of candidates) if (name.startsWith(`${one}/`)) implied.add(one)
    if (candidates.includes(name)) found.set(name, entry.type)
    else if (path.includes('\\') && shown.includes(printable(bytes))) {
      // A name with odd bytes, written as `ls` and `find` show it.
      candidates[shown.indexOf(printable(bytes))] = name
      found.set(name, entry.type)
    } else nearest.look(name)
  }
  if (header?.snapshot !== snapshot.id) throw indexOfAnother(source)
  if (path === '') return { member: '', roots }
  const [exact = '', ...inside] = candidates
  const type = found.get(exact)
  if (type !== undefined) return { member: exact, type, roots }
  const among = [...new Set(inside)].filter((name) => found.has(name))
  const [only] = among
  if (only === undefined) {
    const directory = candidates.find((name) => implied.has(name))
    if (directory !== undefined) return { member: directory, type: 'directory', implied: true, roots }
    throw notThere(at, path, nearest.name)
  }
  if (among.length > 1) {
    throw new UsageError(
      `${printable(path)} is there ${formatCount(among.length, 'time')} in ${source.name}`,
      {
        source: source.name,
        next: `Write the whole path: ${among.map((name) => shownAddress(source.name, name)).join(', ')}`,
      },
    )
  }
  return { member: only, type: found.get(only), roots }
}

async function resolveDump(at: LookedAt, path: string, dependencies: LookDependencies): Promise<FoundPath> {
  const { snapshot, source } = at
  let of: string | undefined
  const objects = sourceObjects(snapshot, source, indexParts(dependencies), (seen) => (of = seen.snapshot))
  for await (const object of objects) object satisfies object
  if (of !== snapshot.id) throw indexOfAnother(source)
  if (path === '') return { member: '', roots: [] }
  const names = source.archives.map(dumpName)
  if (names.includes(path)) return { member: path, type: 'dump', roots: [] }
  const nearest = new NearestPath(path)
  for (const name of names) nearest.look(name)
  throw notThere(at, path, nearest.name ?? names[0])
}

/** `SOURCE:PATH` for a person; the path comes in latin1. */
export function shownAddress(source: string, member: string): string {
  return `${source}:${printable(Buffer.from(member, 'latin1'))}`
}

function notThere({ snapshot, source }: LookedAt, path: string, near: string | undefined): UsageError {
  const where = `${snapshot.host}/${snapshot.id}`
  const hint = near === undefined ? '' : `Did you mean ${shownAddress(source.name, near)}? `
  return new UsageError(`${source.name} of ${where} has no ${printable(path)}`, {
    source: source.name,
    next: `${hint}See what is there with: relay-backup ls ${where} ${source.name}:`,
  })
}
