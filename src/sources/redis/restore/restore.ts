import type { RestorableSource } from '../../contract.ts'
import type { RedisSourceConfig } from '../config.ts'
import type { RedisFacts } from '../facts.ts'
import { arrangeRedis } from './arrange.ts'
import { checkRedis } from './check.ts'
import { preflightRedis } from './preflight.ts'

/** How a Redis is put back (docs/design/redis.md). */
export const restorableRedis = {
  preflight: preflightRedis,
  arrange: arrangeRedis,
  check: checkRedis,
  streamFile: 'dump.rdb',
} satisfies RestorableSource<RedisSourceConfig, RedisFacts>
