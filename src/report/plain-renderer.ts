import type { ProgressEvent } from './contract.ts'
import { eventLine, place } from './event-line.ts'
import type { Paint } from './paint.ts'
import { ProgressText } from './progress-text.ts'
import type { EventRenderer } from './renderer.ts'
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

/** Warnings and failures only, for `--quiet`. */
export function createQuietRenderer({ write, paint, verbose }: LineOptions): EventRenderer {
  return {
    event(event) {
      const kept = event.type === 'warning' || event.type === 'source-failed' || event.type === 'host-failed'
      const line = kept ? eventLine(event, paint, verbose) : undefined
      if (line !== undefined) write(`${line}\n`)
    },
    close: () => Promise.resolve(),
  }
}
