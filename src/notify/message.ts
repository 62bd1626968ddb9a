import type { Alert } from './due.ts'

/** What a channel gets. */
export interface Message {
  /** One line. */
  readonly subject: string
  /** Plain lines; ends without a line break. */
  readonly text: string
  /** The same as a document, for mail. */
  readonly html?: string | undefined
  readonly alerts: readonly Alert[]
  /** ISO 8601, UTC. */
  readonly at: string
  /** The name of this computer. */
  readonly machine: string
}

/** The most hosts that a subject names. */
const NAMED = 3

/** Alerts as one message, so that a night on which all fails is one mail. */
export function composeMessage(alerts: readonly Alert[], machine: string, now: Date): Message {
  const at = now.toISOString()
  return {
    subject: `[relay-backup] ${subjectOf(alerts)}`,
    text: [...alerts.flatMap(lines), '', `From ${machine}, ${minute(at)}`].join('\n'),
    alerts,
    at,
    machine,
  }
}

function subjectOf(alerts: readonly Alert[]): string {
  const parts = alerts.map(({ host, event }) => `${host ?? 'vault'}: ${words(event)}`)
  const distinct = [...new Set(parts)]
  const more = distinct.length - NAMED
  return `${distinct.slice(0, NAMED).join(', ')}${more > 0 ? `, and ${more} more` : ''}`
}

function lines({ host, event, message, next, since }: Alert): string[] {
  const again = since === undefined ? '' : ` (since ${minute(since)})`
  return [
    `${host ?? 'vault'}: ${words(event)}${again}`,
    `  ${message}`,
    ...(next === undefined ? [] : [`  Next: ${next}`]),
  ]
}

const words = (event: string) => event.replaceAll('-', ' ')
/** `2026-03-03 12:00 UTC` */
const minute = (iso: string) => `${iso.slice(0, 16).replace('T', ' ')} UTC`
