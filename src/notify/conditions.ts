import type { AlertEvent } from '../model/notify-config.ts'
import type { HostStatus, StatusReport, Trouble } from '../model/status-report.ts'
import { withoutFileNames } from '../runs/told-error.ts'

/** Something that holds at a moment, and that a channel may be told of. Names no files. */
export interface Condition {
  readonly event: AlertEvent
  /** Absent for what concerns no host alone. */
  readonly host?: string | undefined
  /** Of the {@link Trouble}. */
  readonly code: string
  /** What the trouble is about: it is another trouble when this is another. */
  readonly about: string
  readonly message: string
  readonly next: string
}

const EVENTS: Readonly<Record<string, AlertEvent>> = {
  never: 'overdue',
  overdue: 'overdue',
  failing: 'failure',
  'cut-off': 'failure',
  unreadable: 'failure',
  damaged: 'verify-failed',
  'verify-failed': 'verify-failed',
  'set-back': 'verify-failed',
  'rotation-paused': 'shrunk',
  anomaly: 'anomaly',
  disk: 'disk',
}

/** What holds by this status, in its order. */
export function conditionsOf(report: StatusReport): Condition[] {
  return [
    ...report.troubles.map((trouble) => condition(trouble, undefined)),
    ...report.hosts.flatMap((status) => {
      const isFailing = status.troubles.some(({ code }) => code === 'failing')
      return status.troubles
        .filter(({ code }) => code !== 'never' || !isFailing)
        .map((trouble) => condition(trouble, status))
    }),
  ]
}

function condition({ code, about, message, next }: Trouble, status: HostStatus | undefined): Condition {
  const isPartial = code === 'failing' && status?.lastPull?.outcome === 'partial'
  const kept = status === undefined ? [] : [status.host]
  return {
    event: isPartial ? 'partial' : (EVENTS[code] ?? 'failure'),
    host: status?.host,
    code,
    about,
    message: withoutFileNames(message, kept),
    next: withoutFileNames(next, kept),
  }
}
