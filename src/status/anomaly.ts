import type { AlertsConfig } from '../model/config.ts'
import type { Trouble } from '../model/status-report.ts'
import { formatDuration, formatSize } from '../model/units.ts'

/** What is usual is known from so many before, and not from fewer than this. */
const KNOWN = { most: 14, least: 7 }
/** Bytes; what is smaller may grow threefold in a day. */
const SMALL = 10 * 1024 ** 2
/** Seconds; what is quicker is slow for reasons of its own. */
const QUICK = 60

/** The last complete backups and pulls of a host, oldest first. */
export interface Past {
  /** Bytes that the sources held. */
  readonly sizes: readonly number[]
  /** Seconds that each pull took that was done. */
  readonly seconds: readonly number[]
}

/** What of the newest backup is far from what is usual. Small ones, and the first days, raise nothing. */
export function anomalies(host: string, past: Past, { anomaly }: Pick<AlertsConfig, 'anomaly'>): Trouble[] {
  const size = newestAndUsual(past.sizes)
  const time = newestAndUsual(past.seconds)
  const found: Trouble[] = []
  if (size !== undefined && Math.max(size.newest, size.usual) > SMALL && isFar(size, anomaly.size))
    found.push({
      code: 'anomaly',
      about: 'size',
      message: `the last backup holds ${formatSize(size.newest)}, where ${formatSize(size.usual)} is usual`,
      next: `See what changed: relay-backup show ${host}/latest`,
    })
  if (time !== undefined && time.newest > QUICK && time.newest > time.usual * anomaly.duration)
    found.push({
      code: 'anomaly',
      about: 'duration',
      message: `the last pull took ${formatDuration(time.newest * 1000)}, where ${formatDuration(time.usual * 1000)} is usual`,
      next: `See whether the server and the way to it are in order: relay-backup check ${host}`,
    })
  return found
}

interface Compared {
  readonly newest: number
  readonly usual: number
}

function newestAndUsual(values: readonly number[]): Compared | undefined {
  const newest = values.at(-1)
  const before = values.slice(-1 - KNOWN.most, -1)
  if (newest === undefined || before.length < KNOWN.least) return undefined
  const sorted = before.toSorted((a, b) => a - b)
  return { newest, usual: sorted[Math.floor(sorted.length / 2)] ?? newest }
}

function isFar({ newest, usual }: Compared, times: number): boolean {
  return newest > usual * times || newest < usual / times
}
