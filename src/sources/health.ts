import type { HealthLimits } from '../model/config.ts'
import { formatCount, formatDuration, formatNumber } from '../model/units.ts'
import type { HealthNote } from './contract.ts'

/** `91 %` */
export function percent(part: number): string {
  return `${Math.floor(part * 100)} %`
}

/** What a database server tells of itself, as far as it does. Times in ms. */
export interface ServerLoad {
  readonly connections?: number | undefined
  readonly maxConnections?: number | undefined
  /** How long the query has run that runs longest; 0 when none does. */
  readonly slowest?: number | undefined
  /** How far it is behind the server that it follows, or the last that follows it; absent without replication. */
  readonly lag?: number | undefined
  /** It follows a server, and does not hear from it. */
  readonly isCutOff?: boolean | undefined
}

/** How a database server does, by the limits of the config. */
export function judgeLoad(name: string, load: ServerLoad, limits: HealthLimits): HealthNote[] {
  const { connections, maxConnections, slowest, lag, isCutOff } = load
  const found: HealthNote[] = []
  const told: string[] = []
  const warn = (message: string, next: string) => found.push({ outcome: 'warning', message, next })
  if (connections !== undefined && maxConnections !== undefined && maxConnections > 0) {
    const says = `${formatCount(connections, 'connection')} of ${formatNumber(maxConnections)}`
    if (connections / maxConnections >= limits.connections)
      warn(`${name} has ${says}`, 'See who they are, and whether the app gives them back; or allow more.')
    else told.push(says)
  }
  if (slowest !== undefined && slowest >= limits.query)
    warn(
      `a query of ${name} has run for ${formatDuration(slowest)}`,
      'See what it is: it holds locks, and old rows, for as long as it runs.',
    )
  else if (slowest !== undefined) told.push('no slow query')
  if (isCutOff === true)
    warn(`${name} does not hear from the server that it follows`, 'See why its replication stands still.')
  else if (lag !== undefined && lag >= limits.lag)
    warn(`replication of ${name} is ${formatDuration(lag)} behind`, 'A copy that is behind misses as much.')
  else if (lag !== undefined) told.push(`replication ${formatDuration(lag)} behind`)
  return found.length > 0 || told.length === 0 ? found : [{ outcome: 'ok', message: told.join(', ') }]
}
