import type { Facts } from '../../model/facts.ts'
import { printable } from '../../model/path-bytes.ts'
import { formatCount } from '../../model/units.ts'
import type { KindFacts } from '../kind.ts'

/** How a Redis source was captured. */
export type RedisCaptureForm = 'rdb' | 'aof' | 'both'

export interface RedisDatabaseFacts {
  readonly database: number
  readonly keys: number
  /** Keys with an expiry; they may be fewer after a restore. */
  readonly expires: number
}

export interface RdbFacts {
  /** RDB format version (the four digits of the header). */
  readonly version: number
  /** AUX field `redis-ver`, when the file has one. */
  readonly redisVersion?: string | undefined
  readonly databases: readonly RedisDatabaseFacts[]
  /** Function libraries. */
  readonly functions: number
  /** Names of modules whose values or aux fields the file carries. */
  readonly modules: readonly string[]
  /** From the header to the end of the checksum, in bytes. */
  readonly bytes: number
  /** `none` when the server writes no checksum (`rdbchecksum no` stores 0) or the version has none. */
  readonly checksum: 'ok' | 'none'
}

export interface AofFacts {
  readonly layout: 'multi-part' | 'single-file'
  readonly files: number
  readonly bytes: number
  /** The facts of the base RDB or of the RDB preamble, when there is one. */
  readonly base?: RdbFacts | undefined
  /** Bytes of commands behind the base; when not 0 the counts of the base are only approximate. */
  readonly incrementalBytes: number
}

export interface RedisFacts extends Facts {
  readonly kind: 'redis'
  readonly form: RedisCaptureForm
  /** Which persistence form the server would load at its next start from what was captured. */
  readonly loads: 'rdb' | 'aof' | 'nothing'
  readonly serverVersion?: string | undefined
  /** False when the capture was a scan and not one point in time. */
  readonly pointInTime: boolean
  /** The server was not running when it was captured. */
  readonly stopped: boolean
  readonly rdb?: RdbFacts | undefined
  readonly aof?: AofFacts | undefined
  /** `dir`, `dbfilename`, `appenddirname`, `appendfilename`, `appendonly` as the server answered, where known. */
  readonly settings: Readonly<Record<string, string>>
  /** What the data took in the server's memory, in bytes, where it ran. */
  readonly memory?: number | undefined
  /** Which slots a node of a cluster served, as `0-5460 6000`, when its keys were read one by one. */
  readonly slots?: string | undefined
  /** Unix time of the last save in seconds, where known. */
  readonly lastSave?: number | undefined
}

/** What others are told of a Redis' facts. */
export const redisFacts: KindFacts<RedisFacts> = {
  describe: ({ form, rdb, serverVersion }) => {
    const version = serverVersion === undefined ? '' : `Redis ${printable(serverVersion)}, `
    return `${version}${rdb === undefined ? form : formatCount(keysOf(rdb), 'key')}`
  },
  counts: ({ rdb, aof }) => {
    const databases = (rdb ?? aof?.base)?.databases ?? []
    const counts = databases.map(({ database, keys }) => `db${database} ${formatCount(keys, 'key')}`)
    return counts.length === 0 ? 'no keys counted' : counts.join(', ')
  },
  amount: ({ rdb, aof }) => {
    const counted = rdb ?? aof?.base
    return counted === undefined
      ? { amount: aof?.bytes ?? 0, unit: 'bytes' }
      : { amount: keysOf(counted), unit: 'keys' }
  },
  wasRunning: ({ stopped }) => !stopped,
}

function keysOf({ databases }: RdbFacts): number {
  return databases.reduce((sum, { keys }) => sum + keys, 0)
}
