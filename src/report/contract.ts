import type { RelayError } from '../errors.ts'
import type { Operation, RunOutcome } from '../model/run-record.ts'

/** Something for a person's eyes during a run. Codes are stable; names are bytes from the server, already safe to print. */
export interface Notice {
  readonly host?: string | undefined
  readonly source?: string | undefined
  readonly code: string
  readonly message: string
  readonly next?: string | undefined
}

/** What an operation tells while it works. Rendered as a live list, plain lines or NDJSON; nothing depends on it. */
export type ProgressEvent =
  | {
      readonly type: 'run-started'
      readonly run: string
      readonly operation: Operation
      readonly host: string
    }
  | {
      readonly type: 'run-ended'
      readonly run: string
      readonly operation: Operation
      readonly host: string
      /** `locked` and `skipped` runs did nothing, and are not in the history. */
      readonly outcome: RunOutcome | 'locked' | 'skipped'
      /** The snapshot that it made. */
      readonly snapshot?: string
      readonly error?: RelayError
    }
  | { readonly type: 'host-started'; readonly host: string }
  | { readonly type: 'host-step'; readonly host: string; readonly step: string }
  | { readonly type: 'source-started'; readonly host: string; readonly source: string }
  | { readonly type: 'source-step'; readonly host: string; readonly source: string; readonly step: string }
  | {
      readonly type: 'archive-progress'
      readonly host: string
      readonly source: string
      readonly archive: string
      readonly wireBytes: number
      readonly plainBytes: number
      /** Plain bytes expected, from the listing or the last snapshot, where known. */
      readonly expectedPlainBytes?: number | undefined
    }
  | {
      readonly type: 'archive-finished'
      readonly host: string
      readonly source: string
      readonly archive: string
      readonly bytes: number
      readonly plainBytes: number
      readonly wireBytes: number
      readonly milliseconds: number
    }
  | {
      readonly type: 'source-finished'
      readonly host: string
      readonly source: string
      readonly entries: number
    }
  | {
      readonly type: 'source-failed'
      readonly host: string
      readonly source: string
      readonly error: RelayError
    }
  | { readonly type: 'host-finished'; readonly host: string; readonly message: string }
  | {
      readonly type: 'host-failed'
      readonly host: string
      readonly error: RelayError
      /** The command ends with this, and tells it itself. */
      readonly ends?: true
    }
  | ({ readonly type: 'warning' } & Notice)
  | ({ readonly type: 'note' } & Notice)

export interface Reporter {
  event(event: ProgressEvent): void
}
