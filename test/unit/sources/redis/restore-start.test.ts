import { describe, expect, test } from 'vitest'
import type { RedisFacts } from '../../../../src/model/facts.ts'
import {
  parseArguments,
  parseCommandLine,
  parseConfig,
  parseExecStart,
  roomForOptions,
  splitWords,
} from '../../../../src/sources/redis/start/directives.ts'
import { startOf } from '../../../../src/sources/redis/start/next-start.ts'
import type { StartEvidence } from '../../../../src/sources/redis/start/next-start.ts'
import { minimumRedis, rdbVersionOf, versionOfBinary } from '../../../../src/model/redis-version.ts'
import { atLeast } from '../../../../src/model/version-order.ts'

const facts: RedisFacts = {
  kind: 'redis',
  form: 'rdb',
  loads: 'rdb',
  pointInTime: true,
  stopped: false,
  settings: {
    appendonly: 'yes',
    dbfilename: 'source.rdb',
    appenddirname: 'source',
    appendfilename: 'source.aof',
  },
}

const evidence = (more: Partial<StartEvidence>): StartEvidence => ({
  running: true,
  version: { name: '7.0.15', redis: '7.0.15' },
  file: new Map(),
  fileName: '/etc/redis/redis.conf',
  present: {
    appendonly: 'no',
    dbfilename: 'dump.rdb',
    appenddirname: 'appendonlydir',
    appendfilename: 'appendonly.aof',
    'enable-protected-configs': 'no',
  },
  info: new Map([['aof_last_rewrite_time_sec', '-1']]),
  renewed: false,
  ...more,
})
const present = (settings: Record<string, string>): Record<string, string> => ({
  ...evidence({}).present,
  ...settings,
})
const given = (...words: string[]): StartEvidence['arguments'] => parseArguments(['redis-server', ...words])

describe('words and directives', () => {
  test('quotes and escapes as Redis reads them', () => {
    expect(splitWords(`save "" 'it\\'s' "a\\x41\\n\\"" plain`)).toEqual([
      'save',
      '',
      "it's",
      'aA\n"',
      'plain',
    ])
    expect(splitWords('dir "open')).toBeUndefined()
    expect(splitWords('"a"b')).toBeUndefined()
    expect(parseConfig('# appendonly yes\n\n  AppendOnly yes\ndir "/a b"\nbroken "\n')).toEqual([
      { name: 'appendonly', value: 'yes' },
      { name: 'dir', value: '/a b' },
    ])
  })

  test('a command line, unless Redis has written its title over it', () => {
    const line = 'redis-server\n/etc/r.conf\n--appendonly\nyes\n--dbfilename\nx.rdb\n'
    expect(parseCommandLine(line)).toEqual({
      file: '/etc/r.conf',
      directives: new Map([
        ['appendonly', 'yes'],
        ['dbfilename', 'x.rdb'],
      ]),
    })
    expect(parseCommandLine('redis-server\n')).toEqual({ directives: new Map() })
    expect(parseCommandLine('redis-server *:6379\n\n\n\n')).toBeUndefined()
    expect(parseCommandLine('redis-server *:6379\n')).toBeUndefined()
    expect(parseCommandLine('redis\n\n\n')).toBeUndefined()
    expect(parseCommandLine('')).toBeUndefined()
  })

  test('a title leaves the length of the command line', () => {
    const title = (words: string, over: string): string => over.padEnd(words.length, '\n') + '\n'
    const file = '/etc/redis/redis.conf'
    const room = (words: string, over = 'redis-server *:6379'): number | undefined =>
      roomForOptions(title(words, over), file)
    expect(room('redis-server /etc/redis/redis.conf')).toBe(0)
    expect(room('redis-server redis.conf')).toBe(0)
    expect(room('redis-server redis.conf --appendonly yes')).toBe(17)
    // As long as it may have been, when it may have been shorter.
    expect(room('redis-server /etc/redis/redis.conf --port 1')).toBe(20)
    expect(room('redis-server /etc/redis/redis.conf', 'redis-server [2001:db8::1]:6379 [cluster]')).toBe(18)
    expect(roomForOptions(title('redis-server --appendonly yes', 'redis-server *:6379'), undefined)).toBe(17)
    expect(roomForOptions('', file)).toBeUndefined()
  })

  test("a unit's command", () => {
    const shown = (argv: string): string =>
      `ExecStart={ path=/usr/bin/redis-server ; argv[]=${argv} ; ignore_errors=no ; start_time=[n/a] ; }`
    expect(
      parseExecStart(shown('/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd'))?.file,
    ).toBe('/etc/redis/redis.conf')
    expect(parseExecStart(shown('/usr/bin/redis-server $ARGS'))).toBeUndefined()
    expect(parseExecStart(shown('/usr/sbin/sshd -D'))).toBeUndefined()
  })
})

describe('how the next start persists', () => {
  test('the command line wins over the file, and both over what was set since', () => {
    const start = startOf(
      evidence({
        arguments: given('/etc/r.conf', '--appendonly', 'yes'),
        file: new Map([
          ['appendonly', 'no'],
          ['dir', '/var/lib/redis/'],
        ]),
        present: present({ appendonly: 'no' }),
      }),
      facts,
    )
    expect(start).toMatchObject({ appendonly: true, dir: '/var/lib/redis', dbfilename: 'dump.rdb' })
    expect(start.findings).toMatchObject([
      { outcome: 'warning', message: expect.stringContaining('CONFIG SET') as string },
    ])
  })

  test('the file counts, not what was set since', () => {
    const start = startOf(
      evidence({
        file: new Map([['appendonly', 'no']]),
        room: 0,
        present: present({ appendonly: 'yes' }),
        info: new Map([['aof_last_rewrite_time_sec', '0']]),
      }),
      facts,
    )
    expect(start.appendonly).toBe(false)
    expect(start.findings).toMatchObject([{ check: 'redis-start', outcome: 'warning' }])
  })

  test('a file that was changed since the start does not put the blame on the command line', () => {
    const edited = { file: new Map([['appendonly', 'no']]), fileChanged: true }
    const started = { ...edited, present: present({ appendonly: 'yes' }) }
    // No room for an option: the file it is.
    expect(startOf(evidence({ ...started, room: 16 }), facts)).toMatchObject({
      appendonly: false,
      findings: [{ outcome: 'warning', message: expect.stringContaining('changed since') as string }],
    })
    // Either of them: it is asked for, and the answer is taken.
    expect(startOf(evidence({ ...started, room: 17 }), facts).findings).toMatchObject([
      { check: 'redis-start', outcome: 'failed', next: expect.stringContaining('startsWith: rdb') as string },
    ])
    for (const startsWith of ['aof', 'rdb'] as const) {
      expect(startOf(evidence({ ...started, startsWith }), facts)).toMatchObject({
        appendonly: startsWith === 'aof',
        configured: true,
        findings: [],
      })
    }
    // One whose command line is seen.
    expect(startOf(evidence({ ...started, arguments: given('/etc/r.conf') }), facts).appendonly).toBe(false)
    const names = { file: new Map([['appendfilename', 'new.aof']]), fileChanged: true }
    expect(startOf(evidence({ ...names, arguments: given('/etc/r.conf') }), facts).appendfilename).toBe(
      'new.aof',
    )
    expect(startOf(evidence({ ...names, room: 0 }), facts).appendfilename).toBe('new.aof')
    expect(startOf(evidence(names), facts).findings).toMatchObject([{ outcome: 'failed' }])
  })

  test('what was on from the start under a file that is as it was then was turned on by the command line', () => {
    const asThen = { fileChanged: false, present: present({ appendonly: 'yes' }) }
    const rewritten = new Map([['aof_last_rewrite_time_sec', '3']])
    expect(startOf(evidence(asThen), facts)).toMatchObject({ appendonly: true, findings: [] })
    expect(startOf(evidence({ ...asThen, info: rewritten, configSets: 0 }), facts)).toMatchObject({
      appendonly: true,
      notes: [expect.stringContaining('its command line says yes')],
    })
    expect(startOf(evidence({ ...asThen, info: rewritten, configSets: 2 }), facts).findings).toMatchObject([
      { outcome: 'failed' },
    ])
    const off = { fileChanged: false, file: new Map([['appendonly', 'yes']]) }
    expect(startOf(evidence({ ...off, configSets: 0 }), facts).appendonly).toBe(false)
    expect(startOf(evidence(off), facts).findings).toMatchObject([{ outcome: 'failed' }])
  })

  test('an answer that contradicts what is known is not believed', () => {
    const known = { arguments: given('/etc/r.conf'), startsWith: 'aof' } as const
    expect(startOf(evidence(known), facts)).toMatchObject({
      appendonly: false,
      findings: [{ outcome: 'warning', message: expect.stringContaining('startsWith: aof') as string }],
    })
  })

  test('names that Redis does not let anybody change are those of the start', () => {
    const settings = present({ dbfilename: 'a.rdb', appenddirname: 'b', appendfilename: 'c' })
    expect(startOf(evidence({ present: settings, fileChanged: false }), facts)).toMatchObject({
      dbfilename: 'a.rdb',
      appenddirname: 'b',
      appendfilename: 'c',
      findings: [],
    })
    const open = present({ dbfilename: 'a.rdb', 'enable-protected-configs': 'yes' })
    expect(startOf(evidence({ present: open, room: 0 }), facts).dbfilename).toBe('dump.rdb')
  })

  test('where the start is not to be found out, it is asked for', () => {
    for (const file of ['unreadable', 'none'] as const) {
      const info = new Map([['aof_last_rewrite_time_sec', '3']])
      const unknown = { file, present: present({ appendonly: 'yes' }), info }
      expect(startOf(evidence(unknown), facts).findings).toMatchObject([
        { check: 'redis-start', outcome: 'failed' },
      ])
      expect(startOf(evidence({ ...unknown, startsWith: 'rdb' }), facts)).toMatchObject({
        appendonly: false,
        findings: [],
      })
    }
  })

  test('of a server that does not run, what the snapshot has recorded', () => {
    const start = startOf(evidence({ running: false, present: {}, file: 'none' }), facts)
    expect(start).toMatchObject({ appendonly: true, dbfilename: 'source.rdb', appenddirname: 'source' })
    expect(start.notes[0]).toMatch(/does not run there/)
    const stopped = { ...facts, settings: {}, stopped: true, loads: 'aof' } as const
    expect(startOf(evidence({ running: false, present: {} }), stopped)).toMatchObject({
      appendonly: true,
      appendfilename: 'appendonly.aof',
    })
    expect(startOf(evidence({ running: false, present: {}, startsWith: 'rdb' }), facts)).toMatchObject({
      appendonly: false,
      dbfilename: 'source.rdb',
    })
  })

  test('of a server that does not run, what is to start it', () => {
    const start = { running: false, present: {}, arguments: given('/etc/r.conf', '--appendonly', 'no') }
    expect(startOf(evidence(start), facts)).toMatchObject({ told: true, appendonly: false, notes: [] })
  })
})

test('versions', () => {
  expect([6, 7, 8, 9, 10, 11, 12, 13].map(minimumRedis)).toEqual([
    '2.6',
    '3.2',
    '4.0',
    '5.0',
    '7.0',
    '7.2',
    '7.4',
    '8.6',
  ])
  expect(minimumRedis(99)).toBeUndefined()
  expect(['5.0.1', '6.2.14', '7.0.15', '7.2.4', '8.0.0', '10.1'].map(rdbVersionOf)).toEqual([
    9, 9, 10, 11, 12, 13,
  ])
  expect(atLeast('7.10', '7.2')).toBe(true)
  expect(atLeast('6.2.99', '7.0')).toBe(false)
  expect(versionOfBinary('Redis server v=7.0.15 sha=0:0 malloc=jemalloc')).toEqual({
    name: '7.0.15',
    redis: '7.0.15',
  })
  expect(versionOfBinary('Valkey server v=8.0.1 sha=0')).toMatchObject({
    name: 'Valkey 8.0.1',
    redis: '7.2.4',
  })
})

describe('a container that is made anew from the Compose file that was captured with it', () => {
  const running = { arguments: given('--appendonly', 'no'), renewed: true }

  test('starts as it did when it was captured', () => {
    const start = startOf(evidence(running), facts)
    expect(start).toMatchObject({ running: true, told: false, appendonly: true, appenddirname: 'source' })
    expect(start.notes.join()).toMatch(/made anew .* settings of then/)
  })

  test('starts as it does now where nothing was recorded', () => {
    const start = startOf(evidence(running), { ...facts, settings: {} })
    expect(start).toMatchObject({ told: true, appendonly: false })
  })
})
