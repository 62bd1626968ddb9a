import type { ProgressEvent, Reporter } from './contract.ts'
import { createJsonRenderer } from './json-renderer.ts'
import type { RunLog } from './log.ts'
import { createPaint } from './paint.ts'
import { createPlainRenderer, createQuietRenderer } from './plain-renderer.ts'
import type { EventRenderer } from './renderer.ts'

export type ReportMode = 'tty' | 'plain' | 'json' | 'quiet'

export interface ReporterOptions {
  readonly mode: ReportMode
  /** stderr, or where a test looks. In `tty` mode a terminal. */
  readonly stream: NodeJS.WriteStream
  readonly verbose: boolean
  readonly color: boolean
  /** Gets every event but the bytes' progress. */
  readonly logger?: RunLog | undefined
  /** Monotonic ms; given by tests. */
  readonly now?: (() => number) | undefined
}

/** How a run reports, from the global flags and the stream it reports to. */
export function chooseReportMode(
  flags: { readonly json: boolean; readonly quiet: boolean },
  stream: { readonly isTTY?: boolean | undefined },
  env: NodeJS.ProcessEnv,
): ReportMode {
  if (flags.quiet) return 'quiet'
  if (flags.json) return 'json'
  const dumb = env['TERM'] === 'dumb' || Boolean(env['CI'])
  return stream.isTTY === true && !dumb ? 'tty' : 'plain'
}

/** Shows a run's events. Dispose it when the run is over, before the result is printed: that ends the drawing. */
export async function createReporter(options: ReporterOptions): Promise<Reporter & AsyncDisposable> {
  const { stream, logger } = options
  // A reader of stderr that went away must not end a backup.
  stream.on('error', ignore)
  const renderer = await createRenderer(options)
  let closed = false
  return {
    event(event) {
      if (logger !== undefined) logEvent(logger, event)
      if (!closed) renderer.event(event)
    },
    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      await renderer.close()
    },
  }
}

async function createRenderer(options: ReporterOptions): Promise<EventRenderer> {
  const { mode, stream, verbose, color, now = () => performance.now() } = options
  const write = (text: string) => void stream.write(text)
  switch (mode) {
    case 'tty': {
      // listr2 is worth its loading time only where it draws.
      const { createTtyRenderer } = await import('./tty-renderer.ts')
      return createTtyRenderer({ stream, color, now })
    }
    case 'plain':
      return createPlainRenderer({ write, paint: createPaint(color), verbose, now })
    case 'quiet':
      return createQuietRenderer({ write, paint: createPaint(color), verbose, now })
    case 'json':
      return createJsonRenderer({ write, now })
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
