import { PATH_MISSING, TORN, UNREADABLE } from '../../model/snapshot.ts'
import type { SnapshotWarning } from '../../model/snapshot.ts'
import type { CaptureContext } from '../contract.ts'
import { someNames, tellUnreadable } from '../tree/failures.ts'
import type { PassReport } from '../tree/pass.ts'
import type { FilesSourceConfig } from './config.ts'
import type { CaptureParts } from './capture-parts.ts'
import { formatCount } from '../../model/units.ts'

/** What a capture found of its files. Names are members', in latin1. */
export interface Found {
  readonly report: PassReport
  readonly torn: readonly string[]
  /** Databases that never held still. */
  readonly databases: readonly string[]
  /** How many databases there are. */
  readonly known: number
  readonly unreadable: readonly string[]
}

/** Tells a person what a capture found, and resolves with what the manifest says of it. */
export async function tellFound(
  context: CaptureContext,
  config: FilesSourceConfig,
  parts: CaptureParts,
  { report, torn, databases, known, unreadable }: Found,
): Promise<readonly SnapshotWarning[]> {
  const warnings: SnapshotWarning[] = []
  const warn = (code: string, names: readonly string[], message: string, next?: string): void => {
    if (names.length === 0) return
    warnings.push({ code, count: names.length })
    context.notice({
      code,
      message: `${message}: ${someNames(names)}`,
      ...(next === undefined ? {} : { next }),
    })
  }
  if (parts.missing.length > 0) {
    warnings.push({ code: PATH_MISSING, count: parts.missing.length })
    context.notice(missingNotice(parts.missing, config))
  }
  if (unreadable.length > 0) {
    const told = await tellUnreadable(context, [...parts.roots, ...parts.unreadable], unreadable)
    warnings.push({ code: UNREADABLE, count: unreadable.length })
    context.notice({ code: UNREADABLE, ...told, message: `not in this snapshot: ${told.message}` })
  }
  const unmatched = parts.filter.unmatched
  if (unmatched.length > 0) {
    context.note?.({
      code: 'exclude-unmatched',
      message: `nothing matches ${unmatched.join(' ')} of exclude`,
    })
  }
  const { changed, vanished } = report
  const { sockets, devices, others } = parts.leftOut
  warn('file-changed', changed, `${formatCount(changed.length, 'file')} changed while read, and read again`)
  warn(
    'file-torn',
    torn,
    `${formatCount(torn.length, 'file')} changed again, and may be of no single moment`,
    `Stop or pause what writes there during the pull, or exclude these files of ${config.name}.`,
  )
  warn(
    TORN,
    databases,
    `${formatCount(databases.length, 'database was', 'databases were')} written to at each reading, and may not open`,
    `Have what writes there hold still while it is read: quiesce: { pause: [SERVICE] } for the source ${config.name}.`,
  )
  if (config.sqlite === 'asFiles' && known > 0) {
    context.notice({
      code: 'databases-as-files',
      message: `${formatCount(known, 'SQLite database')} read as any file: one that is written to meanwhile is torn`,
      next: `Take \`sqlite: asFiles\` out of ${config.name}, so that SQLite copies it.`,
    })
  }
  warn('file-vanished', vanished, `${formatCount(vanished.length, 'file')} vanished before being read`)
  const skipped = [...new Set([...sockets, ...report.sockets])]
  warn(
    'socket-skipped',
    skipped,
    `${formatCount(skipped.length, 'socket')} left out: nothing of them can be kept`,
  )
  warn('device-skipped', devices, `${formatCount(devices.length, 'device node')} left out: no app makes them`)
  warn(
    'special-skipped',
    others,
    `${formatCount(others.length, 'entry', 'entries')} of an unknown type left out: no tar holds them`,
  )
  const { lacks } = parts.packer
  if (lacks !== undefined) {
    warnings.push({ code: lacks.code, count: 1 })
    context.notice(lacks)
  }
  if (report.changedUnlisted) {
    warnings.push({ code: 'changes-unlisted', count: 1 })
    context.notice({
      code: 'changes-unlisted',
      message: 'More files changed while read than the server could list; not all were read again',
      next: 'Stop or pause what writes there during the pull, or exclude those files.',
    })
  }
  if (report.attributes > 0) {
    warnings.push({ code: 'attributes-unread', count: report.attributes })
    context.notice({
      code: 'attributes-unread',
      message: `Extended attributes of ${formatCount(report.attributes, 'file')} could not be read`,
    })
  }
  for (const remark of report.remarks) context.notice({ code: 'tar-says', message: remark.slice(0, 300) })
  return warnings
}

/** Paths of the source that are not there. */
export function missingNotice(
  missing: readonly string[],
  { name }: Pick<FilesSourceConfig, 'name'>,
): { readonly code: string; readonly message: string; readonly next: string } {
  return {
    code: PATH_MISSING,
    message: `${formatCount(missing.length, 'path')} of the source not there: ${someNames(missing)}`,
    next: `Correct the paths of ${name} in the config, or make what is missing on the server.`,
  }
}
