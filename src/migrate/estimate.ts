import type { DowntimeBasis } from '../model/migration-report.ts'
import type { RunDowntime, RunRecord } from '../model/run-record.ts'

/** What the length of a cutover depends on. */
export interface EstimateInput {
  readonly from: string
  readonly to: string
  /** Of the sources, on FROM's disk. */
  readonly bytes: number
  /** How many services stop on FROM and start on TO. */
  readonly services: number
  /** Something tells that TO serves, so that nobody has to watch it for a while. */
  readonly hasHealth: boolean
  /** Runs of either host, the oldest first. */
  readonly history: { readonly from: readonly RunRecord[]; readonly to: readonly RunRecord[] }
}

/** How long nobody will serve. */
export interface Estimate {
  /** ms */
  readonly downtime: number
  readonly by: DowntimeBasis
}

/** ms of a cutover that takes no time for its data: the last pull, the locks, the proof, what is asked in between. */
const CUTOVER = 3000
/** ms, of a service that is stopped here and made there. */
const EACH_SERVICE = 1500
/** Bytes per ms that are pulled, brought, unpacked and proven one after another; low on purpose. */
const MOVE_RATE = 20_000
/** ms in which a service must not die, where nothing tells that it is healthy. */
const SETTLE = 3000

/**
 * Estimates how long nobody serves in a cutover. The last cutover between these two hosts says it, in either direction, else
 * the last one of FROM, else the last one of TO; what there is more to move by now is added. Without one it is a guess: by
 * FROM's last pull, because the last pull of a cutover brings what has changed, too, and then that is brought to TO; else by
 * sizes alone. Pure.
 */
export function estimateDowntime(input: EstimateInput): Estimate {
  const { bytes, services, hasHealth, history } = input
  const last = lastCutover(input)
  if (last !== undefined) {
    const { at, downtime } = last
    const { seconds, from, to } = downtime
    const more = Math.round(Math.max(0, bytes - downtime.bytes) / MOVE_RATE)
    return { downtime: Math.round(seconds * 1000) + more, by: { run: 'cutover', from, to, at, seconds } }
  }
  const around = EACH_SERVICE * services + (hasHealth ? 0 : SETTLE)
  const pull = history.from.findLast(({ operation, outcome }) => operation === 'pull' && outcome === 'done')
  if (pull === undefined)
    return { downtime: CUTOVER + around + Math.round(bytes / MOVE_RATE), by: { run: 'none' } }
  const took = Date.parse(pull.finishedAt) - Date.parse(pull.at)
  return {
    downtime: Math.max(CUTOVER, 2 * took) + around,
    by: { run: 'pull', at: pull.at, seconds: took / 1000 },
  }
}

interface Cutover {
  readonly at: string
  readonly downtime: RunDowntime
}

function lastCutover({ from, to, history }: EstimateInput): Cutover | undefined {
  const [ofFrom, ofTo] = [cutoversOf(history.from), cutoversOf(history.to)]
  const between = ({ downtime }: Cutover): boolean =>
    [downtime.from, downtime.to].every((host) => host === from || host === to)
  return ofFrom.findLast(between) ?? ofFrom.at(-1) ?? ofTo.at(-1)
}

function cutoversOf(runs: readonly RunRecord[]): Cutover[] {
  return runs.flatMap(({ at, downtime }) => (downtime === undefined ? [] : [{ at, downtime }]))
}
