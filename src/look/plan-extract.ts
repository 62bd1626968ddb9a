import type { IndexEntry } from '../archive/contract.ts'
import { pathFromJson } from '../model/path-bytes.ts'
import { codeWords } from '../report/format.ts'
import { isInside, sourceIndex } from '../restore/contents.ts'
import { indexParts, type LookDependencies, type LookedAt } from './dependencies.ts'
import type { FoundPath } from './resolve-path.ts'

/** A directory or link as it is made here. Names are members', in latin1. */
export interface PlannedEntry {
  readonly member: string
  readonly mode: number
  readonly mtime: number
}

/** Something that is not extracted, and why. `hostile`: no program of ours writes such an archive. */
export interface LeftOut {
  readonly member: string
  readonly why: string
  readonly hostile: boolean
}

/** What of a source is extracted. Names are members', in latin1. */
export interface ExtractPlan {
  readonly files: ReadonlySet<string>
  readonly directories: readonly PlannedEntry[]
  readonly symlinks: readonly (PlannedEntry & { readonly link: string })[]
  /** `copy`: the file that it is another name of is not extracted itself. */
  readonly hardlinks: readonly { readonly member: string; readonly target: string; readonly copy: boolean }[]
  readonly leftOut: readonly LeftOut[]
}

/**
 * What of a source's index is extracted: what lies at the paths found, and nothing by which an archive could reach outside
 * of the directory it is extracted to.
 */
export async function planExtract(
  at: LookedAt,
  found: readonly FoundPath[],
  dependencies: LookDependencies,
): Promise<ExtractPlan> {
  const all = (): AsyncIterable<IndexEntry> => sourceIndex(at.snapshot, at.source, indexParts(dependencies))
  const isWanted = (name: string): boolean =>
    found.some(({ member }) => member === '' || isInside(name, member))
  const links = new Set<string>()
  for await (const entry of all()) {
    if (entry.type === 'symlink') links.add(nameOf(entry))
  }
  const files = new Set<string>()
  const directories: PlannedEntry[] = []
  const symlinks: (PlannedEntry & { link: string })[] = []
  const linked: { member: string; target: string }[] = []
  const leftOut: LeftOut[] = []
  for await (const entry of all()) {
    const member = nameOf(entry)
    if (!isWanted(member)) continue
    const why = unsafe(member, links)
    if (why !== undefined) {
      leftOut.push({ member, why, hostile: true })
      continue
    }
    const planned = { member, mode: entry.mode, mtime: Number(entry.mtimeNs) / 1e9 }
    const link = entry.link === undefined ? '' : pathFromJson(entry.link).toString('latin1')
    if (entry.type === 'file') files.add(member)
    else if (entry.type === 'directory') directories.push(planned)
    else if (entry.type === 'symlink') symlinks.push({ ...planned, link })
    else if (entry.type === 'hardlink') linked.push({ member, target: link })
    else leftOut.push({ member, why: `it is a ${codeWords(entry.type)}`, hostile: false })
  }
  const outside = linked.filter(({ target }) => !files.has(target))
  const targets = new Set(
    outside.map(({ target }) => target).filter((name) => unsafe(name, links) === undefined),
  )
  const copied = new Set<string>()
  if (targets.size > 0) {
    for await (const entry of all()) {
      if (entry.type === 'file' && targets.has(nameOf(entry))) copied.add(nameOf(entry))
    }
  }
  const hardlinks = linked.flatMap(({ member, target }) => {
    if (files.has(target)) return [{ member, target, copy: false }]
    if (copied.has(target)) return [{ member, target, copy: true }]
    leftOut.push({ member, why: 'it is a hard link to what the source does not hold', hostile: true })
    return []
  })
  return { files, directories, symlinks, hardlinks, leftOut }
}

function nameOf({ path }: IndexEntry): string {
  return pathFromJson(path).toString('latin1')
}

/** Why a member's name could lead outside; undefined for one that can't. `links` are the symbolic links of the source. */
export function unsafe(member: string, links: ReadonlySet<string>): string | undefined {
  if (member === '' || member.startsWith('/')) return 'its name is absolute'
  if (member.includes('\0')) return 'its name holds a NUL'
  const parts = member.split('/')
  if (parts.some((part) => part === '..' || part === '.' || part === ''))
    return 'its name holds .. or an empty part'
  for (let slash = member.indexOf('/'); slash !== -1; slash = member.indexOf('/', slash + 1)) {
    if (links.has(member.slice(0, slash))) return 'it lies below a symbolic link'
  }
  return undefined
}
