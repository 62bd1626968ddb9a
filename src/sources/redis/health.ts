import type { HealthLimits } from '../../model/config.ts'
import { formatCount, formatDuration, formatNumber, formatSize } from '../../model/units.ts'
import type { HealthNote, SourceHealth } from '../contract.ts'
import { percent } from '../health.ts'
import type { RedisSourceConfig } from './config.ts'
import { nameOf } from './failures.ts'
import { askServer } from './talk/inspect.ts'
import type { Inspection } from './talk/inspection.ts'
import { openSession } from './talk/session.ts'

/** With fewer reads a rate says nothing. */
const ENOUGH_READS = 10_000
/** ms; a server that saves at all saves within a day. */
const UNSAVED = 86_400_000

/** How a Redis does. One that is not there, or does not run, says nothing. */
export const redisHealth: SourceHealth<RedisSourceConfig> = {
  ask: async (context, config, limits) => {
    const inspection = await askServer(await openSession(context, config))
    if (inspection.state !== 'up') return []
    return judgeRedis(nameOf(config), inspection, limits)
  },
}

/** What its INFO and settings tell of it. */
export function judgeRedis(
  name: string,
  { info, settings }: Pick<Inspection, 'info' | 'settings'>,
  limits: HealthLimits,
): HealthNote[] {
  const number = (field: string): number | undefined => {
    const value = Number(info.get(field) || NaN)
    return Number.isFinite(value) ? value : undefined
  }
  const found: HealthNote[] = []
  const warn = (message: string, next: string) => found.push({ outcome: 'warning', message, next })
  const fail = (message: string, next: string) => found.push({ outcome: 'failed', message, next })
  const told: string[] = []
  persistence()
  memory()
  reads()
  clients()
  return found.length > 0 ? found : [{ outcome: 'ok', message: told.join(', ') }]

  function persistence(): void {
    const hasAof = info.get('aof_enabled') === '1'
    if (info.get('rdb_last_bgsave_status') === 'err')
      fail(
        `${name} could not save its data the last time`,
        'Its log says why: a full disk, or no memory to fork.',
      )
    if (hasAof && info.get('aof_last_write_status') === 'err')
      fail(`${name} can't write its AOF`, 'Its log says why: most often its disk is full.')
    if (hasAof && info.get('aof_last_bgrewrite_status') === 'err')
      warn(`${name} could not rewrite its AOF the last time`, 'Its log says why.')
    if (!hasAof && settings.save === '')
      warn(
        `${name} keeps nothing on its disk: neither \`save\` nor \`appendonly\` is set, and a restart loses all`,
        'Turn one on: redis-cli CONFIG SET appendonly yes; and write it into its config.',
      )
    const [saved, now, changes] = [savedAt(), serverTime(), number('rdb_changes_since_last_save') ?? 0]
    const age = saved === undefined || now === undefined ? undefined : now - saved
    if (!hasAof && settings.save !== '' && changes > 0 && age !== undefined && age > UNSAVED)
      warn(
        `${name} saved last ${formatDuration(age)} ago, and ${formatCount(changes, 'change')} since are in memory alone`,
        'Let it save: redis-cli BGSAVE; and see what its `save` says.',
      )
    told.push(hasAof ? 'AOF on' : age === undefined ? 'AOF off' : `saved ${formatDuration(age)} ago, AOF off`)
  }

  function savedAt(): number | undefined {
    const seconds = number('rdb_last_save_time')
    return seconds === undefined ? undefined : seconds * 1000
  }

  /** By the server's own clock. */
  function serverTime(): number | undefined {
    const micros = number('server_time_usec')
    return micros === undefined ? undefined : micros / 1000
  }

  function memory(): void {
    const [used, most] = [number('used_memory'), number('maxmemory') ?? 0]
    if (used === undefined) return
    if (most === 0) told.push(`${formatSize(used)} of memory`)
    else if (used / most >= limits.memory)
      warn(
        `${name} uses ${formatSize(used)} of ${formatSize(most)} of memory (${percent(used / most)})`,
        'Raise maxmemory, or keep less: what is above it is evicted or refused.',
      )
    else told.push(`${formatSize(used)} of ${formatSize(most)} of memory`)
    const evicted = number('evicted_keys') ?? 0
    if (evicted > 0)
      warn(
        `${name} has evicted ${formatNumber(evicted)} keys for want of memory since it started`,
        'Where it is no cache, raise maxmemory and set maxmemory-policy noeviction.',
      )
  }

  function reads(): void {
    const [hits, misses] = [number('keyspace_hits') ?? 0, number('keyspace_misses') ?? 0]
    if (hits + misses < ENOUGH_READS) return
    const rate = hits / (hits + misses)
    if (rate < limits.hitRate)
      warn(
        `${name} finds ${percent(rate)} of the keys that it is asked for`,
        'See whether keys expire or are evicted too early: redis-cli INFO stats',
      )
    else told.push(`hit rate ${percent(rate)}`)
  }

  function clients(): void {
    const [connected, most] = [number('connected_clients'), number('maxclients')]
    if (connected === undefined || most === undefined || most === 0) return
    if (connected / most >= limits.connections)
      warn(
        `${name} has ${formatCount(connected, 'client')} of at most ${formatNumber(most)}`,
        'See who they are: redis-cli CLIENT LIST; or raise maxclients.',
      )
    else told.push(`${formatCount(connected, 'client')} of ${formatNumber(most)}`)
  }
}
