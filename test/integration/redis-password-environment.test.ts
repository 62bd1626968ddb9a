import { execFile } from 'node:child_process'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { mergeRedis } from '../../src/sources/redis/merge/merge.ts'
import { restorableRedis } from '../../src/sources/redis/restore/restore.ts'
import { LocalHost } from '../lab/local-host.ts'
import { startRedis } from '../lab/redis.ts'
import { tempDir } from '../lab/temp.ts'
import { capture, makeDeployment, redisConfig } from './redis-harness.ts'
import { restoreContext, stage } from './redis-restore-harness.ts'

const run = promisify(execFile)
const PASSWORD = 'correct horse battery staple'

/**
 * A PATH whose every command notes its name and whether it was given Redis's password; then it is that command. The
 * shell is itself: what it starts is what counts.
 */
async function watchedTools(
  folder: string,
): Promise<{ path: string; given(): Promise<ReadonlySet<string>> }> {
  const path = join(folder, 'bin')
  const log = join(folder, 'log')
  await mkdir(path)
  await writeFile(log, '')
  const names = [
    ...['awk', 'cat', 'chmod', 'chown', 'cut', 'date', 'df', 'du', 'getconf', 'grep', 'head', 'id', 'ionice'],
    ...[
      'ln',
      'ls',
      'mkdir',
      'mv',
      'nice',
      'readlink',
      'redis-cli',
      'redis-server',
      'rm',
      'rmdir',
      'sed',
      'find',
      'od',
      'seq',
    ],
    ...['sleep', 'stat', 'sync', 'systemctl', 'tail', 'tar', 'timeout', 'tr', 'true', 'wc', 'zstd', 'gzip'],
  ]
  for (const name of names) {
    const real = await run('sh', ['-c', `command -v ${name}`]).then(
      ({ stdout }) => stdout.trim(),
      () => '',
    )
    if (!real.startsWith('/') && name !== 'true') continue
    const text = `#!/bin/sh\n[ -z "\${REDISCLI_AUTH+x}" ] || echo ${name} >>${log}\nexec ${real.startsWith('/') ? real : '/bin/true'} "$@"\n`
    await writeFile(join(path, name), text, { mode: 0o755 })
  }
  await run('ln', ['-s', '/bin/sh', join(path, 'sh')])
  return { path, given: async () => new Set((await readFile(log, 'utf8')).split('\n').filter(Boolean)) }
}

test("Redis's password is in the environment of redis-cli, and of nothing beside it", async () => {
  await using folder = await tempDir()
  const tools = await watchedTools(folder.path)
  expect((await readdir(tools.path)).length).toBeGreaterThan(25)
  await using deployment = await makeDeployment()
  await using redis = await startRedis({
    dir: deployment.data,
    password: PASSWORD,
    args: ['--appendonly', 'yes'],
  })
  await redis.cli('mset', 'a', '1', 'b', '2')
  await using host = new LocalHost({ path: tools.path })
  const config = redisConfig(redis.port, { capture: 'both', password: { env: 'X' } })
  await using captured = await capture(config, { host, deployment: deployment.path, password: PASSWORD })
  expect(captured.facts.form).toBe('both')
  await redis.cli('del', 'a')
  const context = restoreContext(host, deployment.path, { password: PASSWORD })
  await restorableRedis.preflight(context, config, captured.facts)
  const staged = await stage(captured, deployment.path)
  const merged = await mergeRedis(context, config, captured.facts, staged, join(deployment.path, 'journal'))
  expect(merged.added).toBe(1)
  await restorableRedis.check(context, config, captured.facts)
  expect([...(await tools.given())]).toEqual(['redis-cli'])
})

test('a password that the server itself has in its environment is not used', async () => {
  await using deployment = await makeDeployment()
  await using redis = await startRedis({ dir: deployment.data, password: PASSWORD })
  await using host = new LocalHost()
  process.env['REDISCLI_AUTH'] = PASSWORD
  try {
    await expect(
      capture(redisConfig(redis.port), { host, deployment: deployment.path }),
    ).rejects.toMatchObject({ code: 'redis-password-needed' })
  } finally {
    delete process.env['REDISCLI_AUTH']
  }
})
