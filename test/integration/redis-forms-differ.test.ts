import { writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { LocalHost } from '../lab/local-host.ts'
import { freePort } from '../lab/ports.ts'
import { startRedis } from '../lab/redis.ts'
import { tempDir } from '../lab/temp.ts'
import { capture, makeDeployment, redisConfig } from './redis-harness.ts'
import type { Captured } from './redis-harness.ts'
import { restoreSetting, rewritten } from './redis-restore-harness.ts'

/** The keys that a target which starts like this holds after a restore. */
async function restoredKeys(captured: Captured, appendonly: 'yes' | 'no'): Promise<readonly string[]> {
  await using host = new LocalHost()
  await using setting = await restoreSetting(redisConfig, await freePort(), {
    args: ['--appendonly', appendonly],
  })
  const { target, findings } = await setting.restore(captured, host)
  expect(findings.filter(({ outcome }) => outcome === 'failed')).toEqual([])
  return (await target.cli('keys', '*')).split('\n').toSorted()
}

describe('two forms of one Redis that do not hold the same', () => {
  test.each([
    ['yes', ['between', 'first']],
    ['no', ['first']],
  ] as const)(
    'captured as both, the one that the start loads is put back: appendonly %s',
    async (on, keys) => {
      await using deployment = await makeDeployment()
      await using redis = await startRedis({ dir: deployment.data, args: ['--appendonly', 'yes'] })
      await redis.cli('set', 'first', '1')
      await using host = new LocalHost()
      await using captured = await capture(redisConfig(redis.port, { capture: 'both' }), {
        host,
        deployment: deployment.path,
        // The RDB is saved, the AOF goes on.
        onArchive: async ({ part }) => {
          if (part === '') await redis.cli('set', 'between', '1')
        },
      })
      expect(await restoredKeys(captured, on)).toEqual(keys)
    },
  )

  test.each(['yes', 'no'] as const)(
    'of a stopped server, an old RDB beside its AOF is not put back: appendonly %s',
    async (on) => {
      await using deployment = await makeDeployment()
      const redis = await startRedis({ dir: deployment.data })
      await redis.cli('set', 'old', '1')
      await redis.cli('save')
      await redis.cli('config', 'set', 'appendonly', 'yes')
      await rewritten(redis)
      await redis.cli('set', 'new', '1')
      await redis.stop()
      await using host = new LocalHost()
      await using captured = await capture(redisConfig(redis.port), { host, deployment: deployment.path })
      expect(captured.facts).toMatchObject({ form: 'both', loads: 'aof', stopped: true })
      expect(await restoredKeys(captured, on)).toEqual(['new', 'old'])
    },
  )

  test.each(['yes', 'no'] as const)(
    'of a stopped server, an old AOF beside its RDB is not put back: appendonly %s',
    async (on) => {
      await using deployment = await makeDeployment()
      const redis = await startRedis({ dir: deployment.data, args: ['--appendonly', 'yes'] })
      await redis.cli('set', 'old', '1')
      await redis.cli('config', 'set', 'appendonly', 'no')
      await redis.cli('set', 'new', '1')
      await redis.stop('save')
      await using host = new LocalHost()
      await using captured = await capture(redisConfig(redis.port), { host, deployment: deployment.path })
      expect(captured.facts).toMatchObject({ form: 'both', loads: 'rdb', stopped: true })
      expect(await restoredKeys(captured, on)).toEqual(['new', 'old'])
    },
  )
})

test.each([
  ['a status of its own', '/bin/tar "$@"; exit 3'],
  ['an error that is no vanished file', '/bin/tar "$@"; echo "tar: data: Read error" >&2; exit 2'],
  ['a signal', '/bin/tar "$@"; kill -9 $$'],
])(
  'a tar of the directory that ends with %s fails the capture, though all bytes came',
  async (_how, line) => {
    await using tools = await tempDir()
    await writeFile(`${tools.path}/tar`, `#!/bin/sh\n${line}\n`, { mode: 0o755 })
    await using deployment = await makeDeployment()
    await using redis = await startRedis({ dir: deployment.data, args: ['--appendonly', 'yes'] })
    await redis.cli('set', 'a', '1')
    await using host = new LocalHost({ path: `${tools.path}:${process.env['PATH']}` })
    for (const form of ['rdb', 'aof'] as const) {
      const config = redisConfig(redis.port, { capture: form })
      await expect(capture(config, { host, deployment: deployment.path })).rejects.toMatchObject({
        code: 'capture-failed',
      })
    }
  },
)
