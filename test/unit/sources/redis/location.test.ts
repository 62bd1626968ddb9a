import { expect, test } from 'vitest'
import type { RedisSourceConfig } from '../../../../src/sources/redis/config.ts'
import { locate } from '../../../../src/sources/redis/talk/location.ts'

const at = (path: string): RedisSourceConfig => ({
  kind: 'redis',
  name: 'redis_data',
  path,
  capture: 'rdb',
  at: { address: '127.0.0.1', port: 6379, tls: false },
})

test.each([
  [
    'redis_data',
    { directory: '/srv/app/redis_data', member: 'redis_data', base: '/srv/app', absolute: false },
  ],
  ['./a//b/', { directory: '/srv/app/a/b', member: 'a/b', base: '/srv/app', absolute: false }],
  [
    '/srv/app/redis_data',
    { directory: '/srv/app/redis_data', member: 'redis_data', base: '/srv/app', absolute: false },
  ],
  ['/srv/apple', { directory: '/srv/apple', member: 'srv/apple', base: '/', absolute: true }],
  ['/var/lib/redis/', { directory: '/var/lib/redis', member: 'var/lib/redis', base: '/', absolute: true }],
])('%s', (path, expected) => {
  expect(locate(at(path), '/srv/app')).toEqual(expected)
})

test('without a deployment only an absolute path has a place', () => {
  expect(() => locate(at('redis_data'), undefined)).toThrow('deployment directory is not there')
  expect(locate(at('/data'), undefined).directory).toBe('/data')
  expect(locate(at('data'), '/').directory).toBe('/data')
})
