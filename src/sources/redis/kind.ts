import type { Kind } from '../kind.ts'
import { DEFAULT_ADDRESS, redisConfig } from './config-schema.ts'
import type { RedisSourceConfig } from './config.ts'
import { redisEngine } from './engine.ts'
import { redisDiscovery } from './propose.ts'
import { redisFacts, type RedisFacts } from './facts.ts'

/** Redis servers and their data directories, as others know them. */
export const redisKind: Kind<RedisSourceConfig, RedisFacts> = {
  name: 'redis',
  title: 'Redis',
  config: redisConfig,
  paths: ({ path }) => [path],
  movedTo: (source, [path = source.path]) => ({ ...source, path }),
  describe: ({ path, capture, at }) => `${path}, as ${capture}, from Redis at ${describePlace(at)}`,
  secrets: ({ password }) => ({ password }),
  isWhole: true,
  facts: redisFacts,
  discovery: redisDiscovery,
  engine: redisEngine,
  health: async () => (await import('./health.ts')).redisHealth,
  capture: async () => (await import('./index.ts')).redisSource,
  restore: { by: 'place', open: async () => (await import('./restore/restore.ts')).restorableRedis },
  merge: async () => (await import('./merge/merging.ts')).mergingRedis,
}

/** That of the default sources which is a Redis: of the app's deployment, as it is by default. */
export const defaultRedis: readonly RedisSourceConfig[] = [
  { name: 'redis_data', kind: 'redis', path: 'redis_data', capture: 'rdb', at: DEFAULT_ADDRESS },
]

function describePlace(at: RedisSourceConfig['at']): string {
  if ('address' in at) return `${at.address}:${at.port}`
  if ('socket' in at) return `unix:${at.socket}`
  return 'service' in at ? at.service : at.container
}
