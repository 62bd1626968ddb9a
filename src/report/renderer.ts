import type { ProgressEvent } from './contract.ts'

/** Shows events in one form. Copes with any order of them, and with several hosts at once. */
export interface EventRenderer {
  event(event: ProgressEvent): void
  /** Shows what is left to show and leaves the stream as it was found. */
  close(): Promise<void>
}
