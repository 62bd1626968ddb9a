import type { RelayError } from '../errors.ts'
import type { ProgressEvent } from './contract.ts'
import { eventLine, place } from './event-line.ts'
import type { Paint } from './paint.ts'
import { ProgressText } from './progress-text.ts'
import type { EventRenderer } from './renderer.ts'
import { troubleLine } from './trouble-line.ts'
import { printable } from '../model/path-bytes.ts'

/** How often an archive may say how far it is, in ms: a cron mail must stay readable. */
const PROGRESS_INTERVAL = 10_000

export interface LineOptions {
  readonly write: (text: string) => void
  readonly paint: Paint
  readonly verbose: boolean
  /** Monotonic ms. */
  readonly now: () => number
}

/** One line an event, for pipes, cron and dumb terminals. */
export function createPlainRenderer({ write, paint, verbose, now }: LineOptions): EventRenderer {
  const progress = new ProgressText()
  const shownAt = new Map<string, number>()

  const progressLine = (event: Extract<ProgressEvent, { type: 'archive-progress' }>): string | undefined => {
    const at = now()
    const text = progress.describe(event, at)
    const key = JSON.stringify([event.host, event.source, event.archive])
    const last = shownAt.get(key)
    if (last === undefined) {
      // A short archive ends before its first progress line is due.
      shownAt.set(key, at)
      return undefined
    }
    if (at - last < PROGRESS_INTERVAL) return undefined
    shownAt.set(key, at)
    return `${place(event)}: ${printable(event.archive)}: ${text}`
  }

  return {
    event(event) {
      const line = event.type === 'archive-progress' ? progressLine(event) : eventLine(event, paint, verbose)
      if (line !== undefined) write(`${line}\n`)
    },
    close: () => Promise.resolve(),
  }
}

/** Warnings and failures only, a line each, for `--quiet`. */
export function createQuietRenderer({ write }: Pick<LineOptions, 'write'>): EventRenderer {
  const told = new Set<string>()
  return {
    event(event) {
      // Why a source failed may be why its host failed.
      if (event.type === 'source-failed') told.add(failedLine(event.host, event.error))
      for (const line of quietLines(event)) if (!told.has(line)) write(`${line}\n`)
    },
    close: () => Promise.resolve(),
  }
}

function quietLines(event: ProgressEvent): readonly string[] {
  switch (event.type) {
    case 'warning':
      return [
        troubleLine({ label: 'warning', where: place(event), message: event.message, next: event.next }),
      ]
    case 'source-failed':
      return [failedLine(place(event), event.error)]
    case 'host-failed':
      return event.ends ? [] : [failedLine(place(event), event.error)]
    default:
      return []
  }
}

function failedLine(where: string, { message, details }: RelayError): string {
  return troubleLine({ label: 'failed', where, message, next: details.next })
}
