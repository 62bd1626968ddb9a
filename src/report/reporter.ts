import type { ProgressEvent, Reporter } from './contract.ts'
import { createJsonRenderer } from './json-renderer.ts'
import type { RunLog } from './log.ts'
import { createPaint } from './paint.ts'
import { createPlainRenderer, createQuietRenderer } from './plain-renderer.ts'
import type { EventRenderer } from './renderer.ts'
import { columnsOf, wrapText } from './wrap.ts'

export type ReportMode = 'tty' | 'plain' | 'json' | 'quiet'

export interface ReporterOptions {
  readonly mode: ReportMode
  /** stderr, or where a test looks. In `tty` mode a terminal. */
  readonly stream: NodeJS.WriteStream
  readonly verbose: boolean
  readonly color: boolean
  /** Gets every event except the progress of bytes. */
  readonly logger?: RunLog | undefined
  /** Monotonic ms; given by tests. */
  readonly now?: (() => number) | undefined
}

/** Shows a run's events. Dispose it when the run is over, before the result is printed: that ends the drawing. */
export function createReporter(
  options: ReporterOptions,
): Reporter & AsyncDisposable & { readonly makeRoom: () => Promise<void> } {
  const { stream, logger } = options
  // When the reader of stderr goes away, that must end neither the backup nor what follows it in this process.
  if (!stream.listeners('error').includes(ignore)) stream.on('error', ignore)
  let renderer = createRenderer(options)
  let drawing = options.mode === 'tty'
  let closed = false
  return {
    event(event) {
      if (logger !== undefined) logEvent(logger, event)
      if (!closed) renderer.event(event)
    },
    /** A question and a live list do not share a terminal: the list ends, and plain lines follow. */
    async makeRoom() {
      if (!drawing || closed) return
      drawing = false
      const drawn = renderer
      renderer = createRenderer({ ...options, mode: 'plain' })
      await drawn.close()
    },
    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      await renderer.close()
    },
  }
}

function createRenderer(options: ReporterOptions): EventRenderer {
  const { mode, stream, verbose, color, now = () => performance.now() } = options
  const write = (text: string) => void stream.write(text)
  switch (mode) {
    case 'tty':
      return createLazyRenderer(async () => {
        // listr2 is worth its loading time only where it draws.
        const { createTtyRenderer } = await import('./tty-renderer.ts')
        return createTtyRenderer({ stream, color, now })
      })
    case 'plain':
      return createPlainRenderer({
        write: (text) => write(wrapText(text, columnsOf(stream))),
        paint: createPaint(color),
        verbose,
        now,
      })
    case 'quiet':
      return createQuietRenderer({ write })
    case 'json':
      return createJsonRenderer({ write, now })
  }
}

/** Stands in for a renderer that is still being loaded, and passes it the events that came meanwhile. */
function createLazyRenderer(load: () => Promise<EventRenderer>): EventRenderer {
  const early: ProgressEvent[] = []
  let loaded: EventRenderer | undefined
  const loading = load().then((renderer) => {
    for (const event of early) renderer.event(event)
    loaded = renderer
  })
  return {
    event(event) {
      if (loaded === undefined) early.push(event)
      else loaded.event(event)
    },
    async close() {
      await loading
      await loaded?.close()
    },
  }
}

function logEvent(logger: RunLog, event: ProgressEvent): void {
  const { type, ...fields } = event
  switch (event.type) {
    case 'archive-progress':
      return
    case 'host-step':
    case 'source-step':
      return logger.debug(type, fields)
    case 'warning':
      return logger.warn(type, fields)
    case 'source-failed':
    case 'host-failed':
      return logger.error(type, fields)
    default:
      return logger.info(type, fields)
  }
}

function ignore(): void {}
