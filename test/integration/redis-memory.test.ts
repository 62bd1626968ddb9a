import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { mergeRedis, preflightMerge } from '../../src/sources/redis/merge/merge.ts'
import { restorableRedis } from '../../src/sources/redis/restore/restore.ts'
import { LocalHost } from '../lab/local-host.ts'
import { freePort } from '../lab/ports.ts'
import { startRedis } from '../lab/redis.ts'
import { capture, makeDeployment, redisConfig } from './redis-harness.ts'
import type { Captured } from './redis-harness.ts'
import { restoreContext, restoreSetting, stage } from './redis-restore-harness.ts'

const MB = 1024 * 1024

/** About 6 MB that hardly fit into less. */
async function snapshot(host: LocalHost): Promise<Captured> {
  await using deployment = await makeDeployment()
  await using redis = await startRedis({ dir: deployment.data })
  await redis.cli('eval', "for i = 1, 5000 do redis.call('set', 'k' .. i, string.rep(i, 200)) end", '0')
  return await capture(redisConfig(redis.port), { host, deployment: deployment.path })
}

describe('a target that can not hold what comes', () => {
  test('is found in preflight, whatever it does when it is full', async () => {
    await using host = new LocalHost()
    await using captured = await snapshot(host)
    expect(captured.facts.memory).toBeGreaterThan(4 * MB)
    for (const [policy, consequence] of [
      ['allkeys-lru', /it would evict keys$/],
      ['volatile-ttl', /evict keys with an expiry, and then take no more writes/],
      ['noeviction', /it would take no more writes/],
    ] as const) {
      await using setting = await restoreSetting(redisConfig, await freePort(), {
        args: ['--maxmemory', '3mb', '--maxmemory-policy', policy],
      })
      const context = restoreContext(host, setting.deployment)
      const preflight = await restorableRedis.preflight(context, setting.config, captured.facts)
      const failed = preflight.findings.filter(({ outcome }) => outcome === 'failed')
      expect(failed).toMatchObject([
        { check: 'redis-memory', message: expect.stringMatching(consequence) as string },
      ])
      if (policy !== 'allkeys-lru') continue
      const { findings } = await setting.restore(captured, host)
      // What a restore would have met, had it gone on: the keys differ, and the reason is there.
      expect(findings.find(({ check }) => check === 'redis-keys')).toMatchObject({
        outcome: 'failed',
        message: expect.stringMatching(/\d+ keys were evicted .*maxmemory 3\.0 MiB, allkeys-lru/) as string,
        next: expect.stringMatching(/^Raise maxmemory/) as string,
      })
    }
  })

  test('is fine with enough, with none, and warns where it is close', async () => {
    await using host = new LocalHost()
    await using captured = await snapshot(host)
    const size = captured.facts.memory ?? 0
    for (const [limit, outcomes] of [
      [0, []],
      [Math.round(size * 1.5), []],
      [size, ['warning']],
    ] as const) {
      await using setting = await restoreSetting(redisConfig, await freePort(), {
        args: ['--maxmemory', String(limit)],
      })
      const context = restoreContext(host, setting.deployment)
      const preflight = await restorableRedis.preflight(context, setting.config, captured.facts)
      const found = preflight.findings.filter(({ check }) => check === 'redis-memory')
      expect(found.map(({ outcome }) => outcome)).toEqual(outcomes)
    }
  })
})

test('a merge into a Redis that would give up its own keys for it is refused, and one that fills up says so', async () => {
  await using host = new LocalHost()
  await using captured = await snapshot(host)
  await using deployment = await makeDeployment()
  await using redis = await startRedis({
    dir: deployment.data,
    args: ['--maxmemory', '4mb', '--maxmemory-policy', 'allkeys-lru'],
  })
  const config = redisConfig(redis.port)
  const context = restoreContext(host, deployment.path)
  const outcome = async (): Promise<readonly string[]> => {
    const { findings } = await preflightMerge(context, config, captured.facts)
    return findings.filter(({ check }) => check === 'redis-memory').map((finding) => finding.outcome)
  }
  expect(await outcome()).toEqual(['failed'])
  await redis.cli('config', 'set', 'maxmemory-policy', 'noeviction')
  expect(await outcome()).toEqual(['warning'])
  const staged = await stage(captured, deployment.path)
  const merge = mergeRedis(context, config, captured.facts, staged, join(deployment.path, 'journal'))
  await expect(merge).rejects.toMatchObject({ code: 'redis-memory' })
})
