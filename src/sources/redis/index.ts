import type { RedisSourceConfig } from './config.ts'
import type { CapturableSource } from '../contract.ts'
import { captureRedis, lookAtRedis } from './capture/capture.ts'

/** A Redis server and its data directory. */
export const redisSource: CapturableSource<RedisSourceConfig> = {
  look: lookAtRedis,
  capture: captureRedis,
}
