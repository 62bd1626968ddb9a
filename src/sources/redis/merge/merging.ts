import type { MergingSource } from '../../contract.ts'
import type { RedisSourceConfig } from '../config.ts'
import type { RedisFacts } from '../facts.ts'
import { mergeRedis, preflightMerge } from './merge.ts'
import { unmergeRedis } from './undo.ts'

/** How missing keys are added to a Redis that runs. */
export const mergingRedis: MergingSource<RedisSourceConfig, RedisFacts> = {
  preflight: preflightMerge,
  merge: (context, config, facts, { staged, journal }) => mergeRedis(context, config, facts, staged, journal),
  unmerge: unmergeRedis,
}
