import { formatCount, formatNumber } from '../../../model/units.ts'
import type { RdbFacts, RedisDatabaseFacts, RedisFacts } from '../facts.ts'
import type { Finding } from '../../../model/finding.ts'
import { chooseForm } from './plan.ts'

/** What is expected of the restored server. `exact`: nothing but expired keys may be missing. */
export interface ExpectedKeys {
  readonly databases: readonly RedisDatabaseFacts[]
  readonly exact: boolean
}

/** The keys that the form which was put back holds; undefined when nobody counted them. */
export function expectedKeys(facts: RedisFacts, appendonly: boolean): ExpectedKeys | undefined {
  const chosen = chooseForm(facts, appendonly)
  if (chosen === 'nothing') return { databases: [], exact: true }
  const rdb: RdbFacts | undefined = chosen === 'rdb' ? facts.rdb : facts.aof?.base
  if (rdb === undefined) return undefined
  return {
    databases: rdb.databases,
    exact: facts.pointInTime && (chosen === 'rdb' || facts.aof?.incrementalBytes === 0),
  }
}

/** The keyspace of INFO: `db0:keys=5,expires=1,avg_ttl=0`. */
export function parseKeyspace(info: ReadonlyMap<string, string>): readonly RedisDatabaseFacts[] {
  return [...info].flatMap(([name, value]) => {
    const match = /^keys=(\d+),expires=(\d+)/.exec(value)
    const database = /^db(\d+)$/.exec(name)?.[1]
    return match === null || database === undefined
      ? []
      : [{ database: Number(database), keys: Number(match[1]), expires: Number(match[2]) }]
  })
}

/**
 * Compares keys per database. Keys with an expiry may have gone, all others must be there, and none besides. An
 * approximate comparison never fails, because commands behind the base of an AOF change the counts. The finding says
 * so, and it is a warning only when there are no keys at all.
 */
export function compareKeys(expected: ExpectedKeys, actual: readonly RedisDatabaseFacts[]): Finding {
  const check = 'redis-keys'
  const numbers = [...new Set([...expected.databases, ...actual].map(({ database }) => database))].toSorted(
    (a, b) => a - b,
  )
  const none = (database: number): RedisDatabaseFacts => ({ database, keys: 0, expires: 0 })
  const pairs = numbers.map((database) => ({
    want: expected.databases.find((other) => other.database === database) ?? none(database),
    have: actual.find((other) => other.database === database) ?? none(database),
  }))
  const differ = pairs.filter(({ want, have }) => !fits(want, have))
  const expired = pairs.reduce((sum, { want, have }) => sum + want.keys - have.keys, 0)
  if (differ.length === 0) {
    const gone = expired === 0 ? '' : ` (${formatCount(expired, 'has expired', 'have expired')})`
    return {
      check,
      outcome: 'ok',
      message: `${held(actual)}, as expected${gone}`,
    }
  }
  const list = differ
    .slice(0, 5)
    .map(({ want, have }) => `db${want.database}: expected ${count(want)}, actual ${count(have)}`)
    .join('; ')
  const more = differ.length > 5 ? `; ${formatCount(differ.length - 5, 'database')} more` : ''
  return expected.exact
    ? {
        check,
        outcome: 'failed',
        message: `Keys differ from the snapshot: ${list}${more}`,
        next: 'Look into the log of Redis on the server: what did it load, and who writes to it already?',
      }
    : {
        check,
        outcome: total(actual) === 0 ? 'warning' : 'ok',
        message: `${held(actual)}; what was captured counted ${formatNumber(total(expected.databases))}, with writes behind that, so the numbers may differ`,
      }
}

function fits(want: RedisDatabaseFacts, have: RedisDatabaseFacts): boolean {
  return have.expires <= want.expires && have.keys - have.expires === want.keys - want.expires
}

function total(side: readonly RedisDatabaseFacts[]): number {
  return side.reduce((sum, { keys }) => sum + keys, 0)
}

function held(side: readonly RedisDatabaseFacts[]): string {
  return `${formatCount(total(side), 'key')} in ${formatCount(side.length, 'database')}`
}

function count({ keys, expires }: RedisDatabaseFacts): string {
  return `${formatCount(keys, 'key')} (${formatNumber(expires)} with an expiry)`
}
