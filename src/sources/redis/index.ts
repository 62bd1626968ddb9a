import type { RedisSourceConfig } from '../../model/config.ts'
import type { CapturableSource } from '../contract.ts'
import { captureRedis, lookAtRedis } from './capture/capture.ts'

/** A Redis server and its data directory. */
export const redisSource: CapturableSource<RedisSourceConfig> = {
  kind: 'redis',
  look: lookAtRedis,
  capture: captureRedis,
}
