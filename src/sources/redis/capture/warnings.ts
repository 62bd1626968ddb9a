import type { SnapshotWarning } from '../../../model/snapshot.ts'
import type { CaptureContext } from '../../contract.ts'

/** Warnings for the manifest, each told to the person too. */
export class Warnings {
  readonly #context: CaptureContext
  readonly #counts = new Map<string, number>()

  constructor(context: CaptureContext) {
    this.#context = context
  }

  warn(code: string, message: string, next?: string, count = 1): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + count)
    this.#context.notice({ code, message, ...(next === undefined ? {} : { next }) })
  }

  /** How often each was given. */
  get counts(): readonly SnapshotWarning[] {
    return [...this.#counts].map(([code, count]) => ({ code, count }))
  }
}
