import { atLeast } from './version-order.ts'

/**
 * The first Redis that can load each RDB version (RDB_VERSION in src/rdb.h of each release; the table of
 * redis/librdb says the same). Releases that are left out changed nothing: 6.0 and 6.2 write 9, 8.0 to 8.4 write 12.
 */
const SINCE: readonly (readonly [rdb: number, redis: string])[] = [
  [13, '8.6'],
  [12, '7.4'],
  [11, '7.2'],
  [10, '7.0'],
  [9, '5.0'],
  [8, '4.0'],
  [7, '3.2'],
  [6, '2.6'],
]

/** A server's version: what it calls itself, and the Redis it is compatible with. */
export interface ServerVersion {
  /** `7.0.15`, `Valkey 8.0.1` */
  readonly name: string
  /** `7.0.15` */
  readonly redis: string
}

/** The oldest Redis that loads an RDB of this version; undefined when it is newer than all we know. */
export function minimumRedis(rdbVersion: number): string | undefined {
  if (rdbVersion > (SINCE[0]?.[0] ?? 0)) return undefined
  return SINCE.findLast(([rdb]) => rdb >= rdbVersion)?.[1] ?? '1.0'
}

/** The RDB version that a Redis writes, and puts into what DUMP answers. */
export function rdbVersionOf(redis: string): number {
  return SINCE.find(([, since]) => atLeast(redis, since))?.[0] ?? 0
}

/** From INFO. Valkey gives its own version, and a Redis version for compatibility. */
export function versionOfInfo(info: ReadonlyMap<string, string>): ServerVersion | undefined {
  const redis = info.get('redis_version')
  if (redis === undefined) return undefined
  const valkey = info.get('valkey_version')
  return { name: valkey === undefined ? redis : `Valkey ${valkey}`, redis }
}

/** The last Redis whose files every Valkey reads. */
const VALKEY_COMPATIBLE = '7.2.4'

/** From `redis-server --version`. */
export function versionOfBinary(text: string): ServerVersion | undefined {
  const match = /^(Redis|Valkey) server v=(\d+(?:\.\d+)*)/.exec(text)
  if (match?.[2] === undefined) return undefined
  return match[1] === 'Valkey'
    ? { name: `Valkey ${match[2]}`, redis: VALKEY_COMPATIBLE }
    : { name: match[2], redis: match[2] }
}
