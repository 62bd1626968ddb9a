import { describe, expect, it } from 'vitest'
import type { RecordSorter, SortedRecord } from '../../../../src/archive/contract.ts'
import { ReplyError } from '../../../../src/sources/redis/talk/connection.ts'
import type { Argument, Reply } from '../../../../src/sources/redis/talk/connection.ts'
import { collectKeys, dumpKeys } from '../../../../src/sources/redis/capture/scan-keys.ts'
import type { Connection } from '../../../../src/sources/redis/capture/scan-keys.ts'

/** What Redis 7.0 answered to DUMP of the string `value`. */
const PAYLOAD = Buffer.from('000576616c75650a0081f6c138c1aa9b6e', 'hex')

const config = {
  kind: 'redis',
  name: 'cache',
  path: 'redis_data',
  capture: 'rdb',
  at: { address: '127.0.0.1', port: 6379, tls: false },
} as const

/** What a server does only by chance, and seldom: said on demand. */
function scripted(answer: (...args: readonly string[]) => Reply): Connection & { readonly asked: string[] } {
  const asked: string[] = []
  const ask = (...args: readonly Argument[]): Promise<Reply> => {
    const texts = args.map(String)
    asked.push(texts.join(' '))
    return Promise.resolve(answer(...texts))
  }
  return { asked, ask, askAll: (commands) => Promise.all(commands.map((command) => ask(...command))) }
}

function memorySorter(): RecordSorter<null> {
  const keys: Buffer[] = []
  return {
    add: (key) => void keys.push(key),
    get count() {
      return keys.length
    },
    async *sorted(): AsyncGenerator<SortedRecord<null>> {
      await Promise.resolve()
      for (const key of keys.toSorted((a, b) => Buffer.compare(a, b))) yield { key, value: null }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

async function dump(connection: Connection, command: 'PEXPIRETIME' | 'PTTL' = 'PEXPIRETIME') {
  const names = memorySorter()
  await collectKeys(connection, config, 0, names)
  const found: [string, number | undefined][] = []
  for await (const keys of dumpKeys(connection, config, names, { command, skew: 0 })) {
    for (const { name, expiresAt } of keys) found.push([name.toString(), expiresAt])
  }
  return found
}

const scan = (cursor: string, ...names: string[]): Reply => [
  Buffer.from(cursor),
  names.map((name) => Buffer.from(name)),
]

describe('keys read one by one', () => {
  it('that went to another node of the cluster are left out, and told', async () => {
    const connection = scripted((command, key) => {
      if (command === 'SCAN') return scan('0', 'here', 'moving', 'moved')
      if (key === 'moving') return command === 'DUMP' ? new ReplyError('ASK 93 127.0.0.1:7001') : -2
      if (key === 'moved') return new ReplyError('MOVED 93 127.0.0.1:7001')
      return command === 'DUMP' ? PAYLOAD : -1
    })
    const names = memorySorter()
    await collectKeys(connection, config, 0, names)
    const found: string[] = []
    let moved = 0
    const expiry = { command: 'PEXPIRETIME', skew: 0 } as const
    for await (const keys of dumpKeys(connection, config, names, expiry, () => (moved += 1)))
      found.push(...keys.map(({ name }) => name.toString()))
    expect([found, moved]).toEqual([['here'], 2])
  })

  it('are read once each, however often SCAN tells them', async () => {
    const connection = scripted((command, cursor) => {
      if (command === 'SCAN') return cursor === '0' ? scan('7', 'a', 'b', 'a') : scan('0', 'b', 'c')
      return command === 'DUMP' ? PAYLOAD : -1
    })
    expect(await dump(connection)).toEqual([
      ['a', undefined],
      ['b', undefined],
      ['c', undefined],
    ])
  })

  it('are left out when they are gone by then', async () => {
    const connection = scripted((command, name) => {
      if (command === 'SCAN') return scan('0', 'gone', 'here')
      if (name === 'gone') return command === 'DUMP' ? null : -2
      return command === 'DUMP' ? PAYLOAD : -1
    })
    expect(await dump(connection)).toEqual([['here', undefined]])
  })

  it.each(['PEXPIRETIME', 'PTTL'] as const)(
    'are asked for again when their expiry changed around their value (%s)',
    async (told) => {
      const expiries = [-1, 600_000, 600_000, 600_000]
      const connection = scripted((command) => {
        if (command === 'SCAN') return scan('0', 'moving')
        if (command === told) return expiries.shift() ?? 0
        return PAYLOAD
      })
      const [[, expiresAt] = []] = await dump(connection, told)
      expect(connection.asked.filter((text) => text.startsWith('DUMP'))).toHaveLength(2)
      if (told === 'PEXPIRETIME') expect(expiresAt).toBe(600_000)
      else expect(expiresAt).toBeGreaterThan(Date.now())
    },
  )

  it('fail when a value came with a wrong checksum, and when one is refused', async () => {
    const damaged = Buffer.from(PAYLOAD).fill(0, 2, 3)
    const connection = (value: Reply) =>
      scripted((command) => (command === 'SCAN' ? scan('0', 'a\n') : command === 'DUMP' ? value : -1))
    await expect(dump(connection(damaged))).rejects.toThrow(
      'The value of key a\\n came with a wrong checksum',
    )
    const refused = new ReplyError('NOPERM this user has no permissions to access one of the keys')
    await expect(dump(connection(refused))).rejects.toMatchObject({ code: 'redis-no-permission' })
  })
})
