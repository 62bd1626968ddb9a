import { expect, test } from 'vitest'
import type { HealthLimits } from '../../../src/model/config.ts'
import { judgeLoad } from '../../../src/sources/health.ts'
import { readReplication } from '../../../src/sources/mysql/health.ts'
import { judgeRedis } from '../../../src/sources/redis/health.ts'

const limits: HealthLimits = {
  connections: 0.9,
  memory: 0.9,
  hitRate: 0.7,
  query: 300_000,
  lag: 300_000,
  clock: 60_000,
}
const GIB = 2 ** 30
const well = {
  aof_enabled: '0',
  rdb_last_bgsave_status: 'ok',
  rdb_last_save_time: '1000',
  rdb_changes_since_last_save: '5',
  server_time_usec: '1060000000',
  used_memory: String(GIB),
  maxmemory: String(4 * GIB),
  evicted_keys: '0',
  keyspace_hits: '9000',
  keyspace_misses: '1000',
  connected_clients: '12',
  maxclients: '10000',
}
const judge = (info: Record<string, string>, save = '3600 1') =>
  judgeRedis('Redis', { info: new Map(Object.entries({ ...well, ...info })), settings: { save } }, limits)

test.each<[string, Record<string, string>, [string, RegExp][], string?]>([
  [
    'well',
    {},
    [['ok', /^saved 1m ago, AOF off, 1\.0 GiB of 4\.0 GiB of memory, hit rate 90 %, 12 clients of 10,000$/]],
  ],
  ['a save that failed', { rdb_last_bgsave_status: 'err' }, [['failed', /could not save/]]],
  ['an AOF that can not be written', { aof_enabled: '1', aof_last_write_status: 'err' }, [['failed', /AOF/]]],
  ['a rewrite that failed', { aof_enabled: '1', aof_last_bgrewrite_status: 'err' }, [['warning', /rewrite/]]],
  ['no persistence', {}, [['warning', /a restart loses all/]], ''],
  ['an AOF alone', { aof_enabled: '1' }, [['ok', /^AOF on/]], ''],
  [
    'not saved for a day',
    { server_time_usec: String((1000 + 90_000) * 1e6) },
    [['warning', /saved last 1d 1h ago, and 5 changes/]],
  ],
  [
    'nothing to save',
    { server_time_usec: String((1000 + 90_000) * 1e6), rdb_changes_since_last_save: '0' },
    [['ok', /saved/]],
  ],
  ['memory', { used_memory: String(3.7 * GIB) }, [['warning', /of memory \(92 %\)/]]],
  ['no limit of memory', { maxmemory: '0', used_memory: String(400 * GIB) }, [['ok', /400 GiB of memory/]]],
  ['evictions', { evicted_keys: '7' }, [['warning', /evicted 7 keys/]]],
  ['a low hit rate', { keyspace_misses: '9000' }, [['warning', /finds 50 %/]]],
  ['a low hit rate of few reads', { keyspace_hits: '1', keyspace_misses: '900' }, [['ok', /saved/]]],
  ['clients', { connected_clients: '9000' }, [['warning', /9,000 clients of at most 10,000/]]],
])('a Redis: %s', (_name, info, expected, save) => {
  expect(judge(info, save).map(({ outcome, message }) => [outcome, message])).toEqual(
    expected.map(([outcome, says]) => [outcome, expect.stringMatching(says)]),
  )
})

test('a database server: each limit by itself, and what is not known is not judged', () => {
  const says = (load: Parameters<typeof judgeLoad>[1]) =>
    judgeLoad('it', load, limits).map(({ outcome, message }) => `${outcome}: ${message}`)
  expect(says({})).toEqual([])
  expect(says({ connections: 89, maxConnections: 100, slowest: 0, lag: 2000 })).toEqual([
    'ok: 89 connections of 100, no slow query, replication 2s behind',
  ])
  expect(says({ connections: 90, maxConnections: 100 })).toEqual(['warning: it has 90 connections of 100'])
  expect(says({ slowest: 300_000 })).toEqual(['warning: a query of it has run for 5m'])
  expect(says({ lag: 300_000 })).toEqual(['warning: replication of it is 5m behind'])
  expect(says({ isCutOff: true, lag: undefined })).toEqual([
    'warning: it does not hear from the server that it follows',
  ])
})

test('replication is told in the words of MySQL and of MariaDB', () => {
  const mysql = { Seconds_Behind_Source: '7', Replica_IO_Running: 'Yes', Replica_SQL_Running: 'Yes' }
  expect(readReplication(mysql)).toEqual({ lag: 7000, isCutOff: false })
  const mariadb = { Seconds_Behind_Master: 'NULL', Slave_IO_Running: 'Connecting', Slave_SQL_Running: 'Yes' }
  expect(readReplication(mariadb)).toEqual({ lag: undefined, isCutOff: true })
})
