import { SourceError, RemoteFileError } from '../../errors.ts'
import { isKept } from '../../model/entry-types.ts'
import { latin1, printable } from '../../model/path-bytes.ts'
import type { RemoteDirectoryEntry, RemoteFiles, RemoteFileStat } from '../../remote/contract.ts'
import type { LeftOut } from '../tree/left-out.ts'
import type { Root } from '../tree/roots.ts'

/** Something that is to be packed. */
export interface Found {
  /** Member name. */
  readonly member: string
  /** Absolute path on the server. */
  readonly path: string
  readonly stat: RemoteFileStat
}

/** What a walk leaves out, by member names in latin1. */
export interface WalkFindings {
  readonly vanished: string[]
  readonly leftOut: LeftOut
}

export interface WalkOptions {
  readonly files: RemoteFiles
  readonly deployment: string
  /** Asked with member names in latin1. */
  readonly isExcluded: (member: string, isDirectory: boolean) => boolean
  readonly findings: WalkFindings
  /** Takes note of what may not be read, named by its member. Throws for what fails the source. */
  readonly refuse: (error: RemoteFileError, member: string) => Promise<void>
}

/**
 * Everything below the roots: each directory before what is in it, its files before its directories, one directory
 * open at a time. In memory are the names of the directories that are still to be entered.
 *
 * Throws SourceError `unrepresentable-name` for a name that SFTP can't say.
 */
export async function* walkRoots(roots: readonly Root[], options: WalkOptions): AsyncGenerator<Found> {
  for (const root of roots) {
    const member = root.name === '' ? '.' : root.name
    yield* walk(member, pathOnServer(root, options.deployment), options)
  }
}

/** These members alone (latin1), directories without what is in them. */
export async function* findMembers(
  members: readonly string[],
  roots: readonly Root[],
  options: WalkOptions,
): AsyncGenerator<Found> {
  for (const name of members) {
    const member = Buffer.from(name, 'latin1').toString('utf8')
    const root = roots.find(
      (one) => one.name === '' || member === one.name || member.startsWith(`${one.name}/`),
    )
    if (root === undefined) continue
    const base = pathOnServer(root, options.deployment)
    const rest = root.name === '' ? `/${member}` : member.slice(root.name.length)
    const found = await look(member, base === '/' ? rest : base + rest, options)
    if (found !== undefined && isPackable(found, options.findings)) yield found
  }
}

async function* walk(member: string, path: string, options: WalkOptions): AsyncGenerator<Found> {
  const waiting = [{ member, path }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const found = await look(next.member, next.path, options)
    if (found === undefined || !isPackable(found, options.findings)) continue
    yield found
    if (found.stat.type !== 'directory') continue
    const prefix = found.member === '.' ? '' : `${found.member}/`
    for await (const entries of listed(found, options)) {
      for (const { name, exact, stat } of entries) {
        const child = { member: prefix + name, path: `${found.path === '/' ? '' : found.path}/${name}`, stat }
        if (options.isExcluded(latin1(child.member), stat.type === 'directory')) continue
        if (!exact) throw unrepresentable(child.member)
        if (stat.type === 'directory') waiting.push({ member: child.member, path: child.path })
        else if (isPackable(child, options.findings)) yield child
      }
    }
  }
}

/** Undefined when it vanished. */
async function look(member: string, path: string, options: WalkOptions): Promise<Found | undefined> {
  try {
    return { member, path, stat: await options.files.lstat(path) }
  } catch (error) {
    await settle(error, member, options)
    return undefined
  }
}

async function* listed(
  directory: Found,
  options: WalkOptions,
): AsyncGenerator<readonly RemoteDirectoryEntry[]> {
  try {
    yield* options.files.list(directory.path)
  } catch (error) {
    await settle(error, directory.member, options)
  }
}

/** What is gone or may not be read is a finding; everything else that can't be looked at fails the source. */
async function settle(error: unknown, member: string, options: WalkOptions): Promise<void> {
  if (!(error instanceof RemoteFileError)) throw error
  const { findings } = options
  if (error.problem === 'missing') findings.vanished.push(latin1(member))
  else await options.refuse(error, member)
}

function isPackable({ member, stat }: Found, { leftOut }: WalkFindings): boolean {
  if (isKept(stat.type)) return true
  leftOut.add(latin1(member), stat.type)
  return false
}

function pathOnServer(root: Root, deployment: string): string {
  if (root.link !== undefined) return root.link.real.toString('utf8')
  const base = root.base === 'root' || deployment === '/' ? '' : deployment
  return root.name === '' ? base || '/' : `${base}/${root.name}`
}

/** A name that SFTP, as text, can't carry. */
export function unrepresentable(member: string): SourceError {
  return new SourceError(
    'unrepresentable-name',
    `${printable(member)} is not UTF-8 on the server, and SFTP can't name it`,
    {
      next: 'Rename it on the server, exclude it, or use a user with a shell: there any name can be captured.',
    },
  )
}
