import type { ProgressEvent } from './contract.ts'
import { errorToJson } from './render-error.ts'
import type { EventRenderer } from './renderer.ts'

/** How often an archive may say how far it is, in ms. */
const PROGRESS_INTERVAL = 1000

export interface JsonOptions {
  readonly write: (text: string) => void
  /** Monotonic ms. */
  readonly now: () => number
}

/** One JSON object a line (NDJSON), for programs. */
export function createJsonRenderer({ write, now }: JsonOptions): EventRenderer {
  const shownAt = new Map<string, number>()

  const due = (event: ProgressEvent): boolean => {
    if (event.type !== 'archive-progress') return true
    const key = JSON.stringify([event.host, event.source, event.archive])
    const at = now()
    if (at - (shownAt.get(key) ?? -Infinity) < PROGRESS_INTERVAL) return false
    shownAt.set(key, at)
    return true
  }

  return {
    event(event) {
      if (due(event)) write(`${JSON.stringify(plainEvent(event))}\n`)
    },
    close: () => Promise.resolve(),
  }
}

function plainEvent(event: ProgressEvent): unknown {
  return 'error' in event && event.error !== undefined ? { ...event, ...errorToJson(event.error) } : event
}
