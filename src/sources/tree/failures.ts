import { SourceError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import type { CaptureContext } from '../contract.ts'
import { inspectPaths, pathOf, readAccess, whoReads } from './resolve.ts'
import type { Root } from './roots.ts'
import { formatCount, formatNumber } from '../../model/units.ts'

/** How many names an error or a notice shows. */
const SHOWN = 5

export function noTar(): SourceError {
  return new SourceError('no-tar', 'The server has no tar', {
    next: 'Install it there (Debian, Ubuntu: apt-get install tar; Alpine: apk add tar), then pull again.',
  })
}

export function vanishedSource(root: Root): SourceError {
  return new SourceError('source-vanished', `${printable(pathOf(root))} vanished while it was read`, {
    next: 'Find out what moved or removed it on the server, then pull again.',
  })
}

type RootName = Pick<Root, 'name' | 'base'>

/** The error of a source of which something can't be read that it can't do without. */
export async function unreadable(
  context: CaptureContext,
  roots: readonly RootName[],
  members: readonly string[],
): Promise<SourceError> {
  const { message, next } = await tellUnreadable(context, roots, members)
  return new SourceError('unreadable', message, { next })
}

/** Throws for a root among what can't be read: without it the source is not the source. Names are members', in latin1. */
export async function refuseRoots(
  context: CaptureContext,
  roots: readonly RootName[],
  names: readonly string[],
): Promise<void> {
  if (names.length === 0) return
  const isRoot = new Set(roots.map(({ name }) => (name === '' ? '.' : Buffer.from(name).toString('latin1'))))
  const refused = names.filter((name) => isRoot.has(name))
  if (refused.length > 0) throw await unreadable(context, roots, refused)
}

/** Says which files (members, in latin1) can't be read, by whom, whose they are, and what to do. */
export async function tellUnreadable(
  context: CaptureContext,
  roots: readonly RootName[],
  members: readonly string[],
): Promise<{ readonly message: string; readonly next: string }> {
  const shown = members.slice(0, SHOWN)
  const { uid, reports } = await inspectPaths(
    context,
    shown.map((name) =>
      pathOf({ name: Buffer.from(name, 'latin1').toString('utf8'), base: baseOf(name, roots) }),
    ),
  )
  const owners = [...new Set(reports.map((report) => report.owner).filter((owner) => owner !== ''))]
  const names = shown.map((name, at) => {
    const report = reports[at]
    const owner = report?.owner ? ` (uid ${report.owner}, ${report.mode})` : ''
    return showMember(name) + owner
  })
  return {
    message: `${formatCount(members.length, 'file')} can't be read by ${whoReads(context, uid)}: ${names.join(', ')}${
      members.length > SHOWN ? ', …' : ''
    }`,
    next: readAccess(context, owners.length === 1 ? owners[0] : undefined),
  }
}

function baseOf(member: string, roots: readonly RootName[]): Root['base'] {
  const isBelow = (root: string): boolean => member === root || member.startsWith(`${root}/`)
  const root = roots.find(
    ({ name, base }) => base === 'root' && isBelow(Buffer.from(name).toString('latin1')),
  )
  return root === undefined ? 'deployment' : 'root'
}

/** Some of these members (latin1) for a person. */
export function someNames(members: readonly string[]): string {
  const shown = members.slice(0, SHOWN).map(showMember)
  return (
    shown.join(', ') + (members.length > SHOWN ? `, and ${formatNumber(members.length - SHOWN)} more` : '')
  )
}

function showMember(name: string): string {
  return printable(Buffer.from(name, 'latin1'))
}
