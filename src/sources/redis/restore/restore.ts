import type { RedisSourceConfig } from '../../../model/config.ts'
import type { Facts, RedisFacts } from '../../../model/facts.ts'
import type { MergingSource, RestorableSource } from '../../contract.ts'
import { mergeRedis, preflightMerge } from '../merge/merge.ts'
import { unmergeRedis } from '../merge/undo.ts'
import { arrangeRedis } from './arrange.ts'
import { checkRedis } from './check.ts'
import { preflightRedis } from './preflight.ts'

const merging: MergingSource<RedisSourceConfig> = {
  preflight: (context, config, facts) => preflightMerge(context, config, ofRedis(facts)),
  merge: (context, config, facts, { staged, journal }) =>
    mergeRedis(context, config, ofRedis(facts), staged, journal),
  unmerge: unmergeRedis,
}

/** How a Redis is put back (docs/design/redis.md). */
export const restorableRedis: RestorableSource<RedisSourceConfig> = {
  kind: 'redis',
  preflight: (context, config, facts) => preflightRedis(context, config, ofRedis(facts)),
  arrange: (context, config, facts, place) => arrangeRedis(context, config, ofRedis(facts), place),
  check: (context, config, facts) => checkRedis(context, config, ofRedis(facts)),
  merging,
}

function ofRedis(facts: Facts): RedisFacts {
  if (facts.kind !== 'redis') throw new TypeError(`facts of ${facts.kind} for a redis source`)
  return facts
}
