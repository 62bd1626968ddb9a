import { expect, test } from 'vitest'
import type { RedisSourceConfig } from '../../../../src/sources/redis/config.ts'
import { parseLook } from '../../../../src/sources/redis/talk/inspection.ts'
import { whyUnreached } from '../../../../src/sources/redis/talk/unreached.ts'

const config: RedisSourceConfig = {
  kind: 'redis',
  name: 'redis_data',
  path: 'redis_data',
  capture: 'rdb',
  at: { address: '::1', port: 6379, tls: false },
}

test('nobody listens', () => {
  const said = 'Could not connect to Redis at ::1:6379: Connection refused'
  expect(whyUnreached(said, config, 0)).toBeUndefined()
})

test.each([
  ["NOPERM this user has no permissions to run the 'ping' command", 'redis-no-permission'],
  ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", 'redis-master-down'],
  ['DENIED Redis is running in protected mode', 'redis-protected'],
  ['ERR something else', 'redis-refused'],
  ['Could not connect to Redis at x:6379: Name or service not known', 'redis-unresolved'],
  ['Could not connect to Redis at x:6379: No route to host', 'redis-unreachable'],
  ['Could not connect to Redis at x:6379: SSL_connect failed: wrong version number', 'redis-tls'],
  ['Error: Protocol error, got "H" as reply type byte', 'redis-not-redis'],
  ['Error: Server closed the connection', 'redis-not-redis'],
])('redis-cli says %j', (said, code) => {
  const error = whyUnreached(said, config, 0)
  expect(error?.code).toBe(code)
  expect(error?.details.next).toBeTruthy()
})

test('records that are cut are no look', () => {
  const whole = Buffer.from(['uid\t0', 'type\tdirectory', 'pin\tabc\t-', 'end', ''].join('\n'))
  expect(parseLook(whole)).toMatchObject({ uid: 0, left: [{ id: 'abc', percentage: '' }] })
  expect(parseLook(whole.subarray(0, -2))).toBeUndefined()
  expect(parseLook(Buffer.from('uid\t0\nend\n'))).toBeUndefined()
  expect(parseLook(Buffer.alloc(0))).toBeUndefined()
})
