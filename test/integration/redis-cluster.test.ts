import { expect, test } from 'vitest'
import { LocalHost } from '../lab/local-host.ts'
import { startRedis } from '../lab/redis.ts'
import { capture, makeDeployment, redisConfig } from './redis-harness.ts'

const READER = '~* +ping +info +select +scan +dump +pexpiretime +pttl +function|dump'

test('a node of a cluster that is captured key by key says which slots it is, when it may', async () => {
  await using deployment = await makeDeployment()
  await using redis = await startRedis({
    dir: deployment.data,
    args: ['--cluster-enabled', 'yes', '--cluster-require-full-coverage', 'no'],
    users: [`user knows on >secret ${READER} +cluster|nodes`, `user guesses on >secret ${READER}`],
  })
  await redis.cli('cluster', 'addslotsrange', '0', '5460', '5500', '5500')
  // A node takes no writes for two seconds behind its start.
  while (!(await redis.cli('cluster', 'info')).includes('cluster_state:ok')) continue
  // Slots 3300 and 866.
  for (const key of ['b', 'hello']) await redis.cli('set', key, '1')
  await using host = new LocalHost()
  for (const [username, slots, message, next] of [
    ['knows', '0-5460 5500', /the keys of slots 0-5460 5500 and no others$/, /^Every other master/],
    ['guesses', undefined, /does not tell which slots it serves: NOPERM/, /\+cluster\|nodes/],
  ] as const) {
    const config = redisConfig(redis.port, { username, password: { env: 'X' } })
    const options = { host, deployment: deployment.path, password: 'secret' }
    await using captured = await capture(config, options)
    expect(captured.facts).toMatchObject({
      pointInTime: false,
      rdb: { databases: [{ database: 0, keys: 2 }] },
    })
    expect(captured.facts.slots).toBe(slots)
    const notice = captured.notices.find(({ code }) => code === 'redis-cluster-node')
    expect(notice?.message).toMatch(message)
    expect(notice?.next).toMatch(next)
    expect(captured.outcome.warnings).toContainEqual({ code: 'redis-cluster-node', count: 1 })
  }
})
