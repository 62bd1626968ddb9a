import { SourceError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import type { CaptureContext } from '../contract.ts'
import { inspectPaths, pathOf, readAccess, whoReads } from './resolve.ts'
import type { Root } from './roots.ts'

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

/** Says which files can't be read, by whom, and whose they are. */
export async function unreadable(context: CaptureContext, members: readonly string[]): Promise<SourceError> {
  const shown = members.slice(0, SHOWN)
  const { uid, reports } = await inspectPaths(
    context,
    shown.map((name) => Buffer.from(name, 'latin1').toString('utf8')),
  ).catch(() => ({ uid: context.probe.uid, reports: [] }))
  const owners = [...new Set(reports.map((report) => report.owner).filter((owner) => owner !== ''))]
  const names = shown.map((name, at) => {
    const report = reports[at]
    const owner = report?.owner ? ` (uid ${report.owner}, ${report.mode})` : ''
    return showMember(name) + owner
  })
  return new SourceError(
    'unreadable',
    `${count(members.length, 'file')} can't be read by ${whoReads(context, uid)}: ${names.join(', ')}${
      members.length > SHOWN ? ', …' : ''
    }`,
    { next: readAccess(context, owners.length === 1 ? owners[0] : undefined) },
  )
}

/** Some of these members (latin1) for a person. */
export function someNames(members: readonly string[]): string {
  const shown = members.slice(0, SHOWN).map(showMember)
  return shown.join(', ') + (members.length > SHOWN ? `, and ${members.length - SHOWN} more` : '')
}

/** `1 file`, `3 files`. */
export function count(number: number, noun: string, nouns = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : nouns}`
}

function showMember(name: string): string {
  return printable(Buffer.from(name, 'latin1'))
}
