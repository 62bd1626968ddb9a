import { formatDuration, formatSize } from '../model/units.ts'
import { ArchiveRate } from './archive-rate.ts'
import type { ProgressEvent } from './contract.ts'
import { formatRate } from './format.ts'

type ArchiveProgress = Extract<ProgressEvent, { type: 'archive-progress' }>

/** Words for the progress of archives: `12.0 MiB of 30.1 MiB, 5.2 MiB/s, 3s left`. Keeps the speed of each. */
export class ProgressText {
  readonly #rates = new Map<string, ArchiveRate>()

  /** @param at monotonic ms */
  describe(event: ArchiveProgress, at: number): string {
    const key = JSON.stringify([event.host, event.source, event.archive])
    const rate = this.#rates.get(key) ?? new ArchiveRate()
    this.#rates.set(key, rate)
    rate.update(at, event.plainBytes, event.expectedPlainBytes)
    const { plainBytes, expectedPlainBytes } = event
    const known = expectedPlainBytes !== undefined && expectedPlainBytes >= plainBytes
    const parts = [
      known ? `${formatSize(plainBytes)} of ${formatSize(expectedPlainBytes)}` : formatSize(plainBytes),
    ]
    const speed = rate.bytesPerSecond
    if (speed !== undefined) parts.push(formatRate(speed))
    const left = rate.timeLeft
    if (left !== undefined && left >= 1000) parts.push(`${formatDuration(left)} left`)
    return parts.join(', ')
  }
}
