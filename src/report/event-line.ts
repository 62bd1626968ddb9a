import { printable } from '../model/path-bytes.ts'
import { formatDuration, formatSize } from '../model/units.ts'
import type { Notice, ProgressEvent } from './contract.ts'
import { formatCount } from './format.ts'
import type { Paint } from './paint.ts'

/** `prod/logs`, `prod`, or '' for what belongs to no host. */
export function place(where: {
  readonly host?: string | undefined
  readonly source?: string | undefined
}): string {
  return [where.host, where.source]
    .filter((part) => part !== undefined)
    .map(printable)
    .join('/')
}

/** A warning or note for a person, in one or two lines. */
export function noticeLine(kind: 'warning' | 'note', notice: Notice, paint: Paint): string {
  const where = place(notice)
  const label = kind === 'warning' ? paint.yellow('warning:') : paint.dim('note:')
  const next = notice.next === undefined ? '' : `\n  ${paint.cyan('Next:')} ${printable(notice.next)}`
  return `${label} ${where === '' ? '' : `${where}: `}${printable(notice.message)}${next}`
}

/**
 * An event as one plain line for a log-like output; undefined for an event that such an output leaves out. The caller
 * handles progress of archives, because it knows the time.
 */
export function eventLine(event: ProgressEvent, paint: Paint, verbose: boolean): string | undefined {
  switch (event.type) {
    case 'host-started':
      return `${place(event)}: started`
    case 'host-step':
      return `${place(event)}: ${printable(event.step)}`
    case 'source-started':
      return `${place(event)}: started`
    case 'source-step':
      return verbose ? `${place(event)}: ${printable(event.step)}` : undefined
    case 'archive-progress':
    // What a run came to is told by its hosts and its result.
    case 'run-started':
    case 'run-ended':
      return undefined
    case 'archive-finished':
      return verbose
        ? `${place(event)}: ${printable(event.archive)}: ${formatSize(event.plainBytes)}, ` +
            `${formatSize(event.bytes)} encrypted, ${formatDuration(event.milliseconds)}`
        : undefined
    case 'source-finished':
      return `${place(event)}: ${paint.green('done')}, ${formatCount(event.entries, 'entry', 'entries')}`
    case 'host-finished':
      return `${place(event)}: ${printable(event.message)}`
    case 'source-failed':
    case 'host-failed':
      return `${place(event)}: ${paint.red('failed:')} ${printable(event.error.message)}`
    case 'warning':
    case 'note':
      return noticeLine(event.type, event, paint)
  }
}
