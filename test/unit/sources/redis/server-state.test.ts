import { describe, expect, test } from 'vitest'
import { SourceError } from '../../../../src/errors.ts'
import { encodeField, fieldLine } from '../../../../src/model/talk.ts'
import type { RedisSourceConfig } from '../../../../src/model/config.ts'
import { parseInspection } from '../../../../src/sources/redis/talk/inspection.ts'
import type { Inspection } from '../../../../src/sources/redis/talk/inspection.ts'
import { serverState } from '../../../../src/sources/redis/talk/server-state.ts'

const config: RedisSourceConfig = {
  kind: 'redis',
  name: 'redis_data',
  path: 'redis_data',
  capture: 'rdb',
  at: { address: '::1', port: 6379, tls: false },
}

function records(...fields: string[]): Buffer {
  const lines = fields.flatMap((name, at) => {
    const value = fields[at + 1] ?? ''
    return at % 2 === 0 ? [fieldLine(name, value === '' ? '-' : encodeField(value))] : []
  })
  return Buffer.from([...lines, 'end', ''].join('\n'))
}

function pinged(
  answer: string,
  status = 0,
  auth = '',
  info = '# Server\r\nredis_version:7.0.15',
): Inspection {
  const inspection = parseInspection(
    records(
      ...['uid', '0', 'type', 'directory', 'real', '/data', 'cli', 'redis-cli 7.0.15'],
      ...['ping-status', String(status), 'ping', answer, 'auth', auth, 'info', info],
    ),
  )
  if (inspection === undefined) throw new Error('not parsed')
  return inspection
}

describe('the server', () => {
  test('is up', () => expect(serverState(pinged('PONG'), config)).toBe('up'))

  test('is stopped when nothing listens', () => {
    const answer = 'Could not connect to Redis at ::1:6379: Connection refused'
    expect(serverState(pinged(answer, 1), config)).toBe('stopped')
  })

  test.each([
    ['NOAUTH Authentication required.', 0, '', 'redis-password-needed'],
    [
      'NOAUTH Authentication required.',
      0,
      'AUTH failed: WRONGPASS invalid username-password pair',
      'redis-wrong-password',
    ],
    ['PONG', 0, 'AUTH failed: WRONGPASS invalid username-password pair', 'redis-wrong-password'],
    ["NOPERM this user has no permissions to run the 'ping' command", 0, '', 'redis-no-permission'],
    ['LOADING Redis is loading the dataset in memory', 0, '', 'redis-loading'],
    [
      "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
      0,
      '',
      'redis-master-down',
    ],
    ['DENIED Redis is running in protected mode', 0, '', 'redis-protected'],
    ["ERR unknown command 'PING'", 0, '', 'redis-no-command'],
    ['ERR something else', 0, '', 'redis-refused'],
    ['', 124, '', 'redis-silent'],
    ['Could not connect to Redis at x:6379: Name or service not known', 1, '', 'redis-unresolved'],
    ['Could not connect to Redis at x:6379: No route to host', 1, '', 'redis-unreachable'],
    ['Could not connect to Redis at x:6379: SSL_connect failed: wrong version number', 1, '', 'redis-tls'],
    ['Error: Protocol error, got "H" as reply type byte', 1, '', 'redis-not-redis'],
    ['Error: Server closed the connection', 1, '', 'redis-not-redis'],
  ])('answers %j (status %i)', (answer, status, auth, code) => {
    try {
      serverState(pinged(answer, status, auth), config)
    } catch (error) {
      expect(error).toBeInstanceOf(SourceError)
      expect((error as SourceError).code).toBe(code)
      expect((error as SourceError).details.next).toBeTruthy()
      return
    }
    throw new Error('it was taken for up')
  })

  test('is loading although it answers', () => {
    expect(() => serverState(pinged('PONG', 0, '', '# Persistence\r\nloading:1'), config)).toThrow(
      'still loading',
    )
  })

  test('has a password set although it needs none', () => {
    expect(
      serverState(pinged('PONG', 0, 'AUTH failed: ERR AUTH <password> called without any password'), config),
    ).toBe('up')
  })
})

test('records that are cut are no inspection', () => {
  const whole = records('uid', '0', 'type', 'directory', 'cli', 'missing')
  expect(parseInspection(whole)?.cli).toBeUndefined()
  expect(parseInspection(whole.subarray(0, -2))).toBeUndefined()
  expect(parseInspection(records('uid', '0'))).toBeUndefined()
  expect(parseInspection(Buffer.alloc(0))).toBeUndefined()
})
