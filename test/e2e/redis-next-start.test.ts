import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeCa } from '../lab/certificates.ts'
import { redisNow, shutDownRedis, useCommandServices } from '../lab/command-services.ts'
import { freePort } from '../lab/ports.ts'
import { startWorld, type World } from '../lab/world.ts'

let world: World
let file: string
let pulled: string
beforeAll(async () => {
  world = await startWorld()
  const { redis_data } = world.config.hosts['prod']!.sources
  world.config.hosts['prod']!.sources = { redis_data: redis_data! }
  const services = await useCommandServices(world)
  // Started by a script, which hides the command line, from a config file.
  file = join(world.home, 'redis.conf')
  const start = join(world.home, 'start.sh')
  await writeFile(
    file,
    `port ${world.redis.port}\nbind 127.0.0.1\ndir ${world.deployment}/redis_data\nsave ""\ndaemonize yes\nlogfile ${world.home}/redis.log\nappendonly yes\n`,
  )
  await writeFile(start, `#!/bin/sh\nredis-server ${file} --loglevel notice --hz 10\n`, { mode: 0o755 })
  services.start = `${start} && i=0; until ${services.status} || [ $i -ge 300 ]; do sleep 0.1; i=$((i+1)); done`
  await world.writeConfig()
  const result = await world.cli('pull', 'prod')
  expect(result.code, result.stderr).toBe(0)
  pulled = redisNow(world, 'dbsize')
  await world.redis.stop('save')
  execFileSync('sh', ['-c', services.start])
})
afterAll(async () => {
  shutDownRedis(world)
  await world[Symbol.asyncDispose]()
})

test('a config file that was edited after the start is asked about before anything stops, and the answer restores', async () => {
  redisNow(world, 'set', 'since', '1')
  await writeFile(file, (await readFile(file, 'utf8')).replace('appendonly yes', 'appendonly no'))
  const pid = (): string | undefined => /process_id:(\d+)/.exec(redisNow(world, 'info', 'server'))?.[1]
  const before = pid()
  const asked = await world.cli('restore', '--host', 'prod', '--yes')
  expect(asked.code).not.toBe(0)
  expect(asked.stdout + asked.stderr).toMatch(/startsWith: rdb/)
  expect(pid()).toBe(before)
  world.config.hosts['prod']!.sources['redis_data']!['startsWith'] = 'rdb'
  await world.writeConfig()
  const restored = await world.cli('restore', '--host', 'prod', '--yes')
  expect(restored.code, restored.stderr).toBe(0)
  expect(redisNow(world, 'config', 'get', 'appendonly')).toBe('appendonly\nno')
  expect(redisNow(world, 'dbsize')).toBe(pulled)
})

test('by SSH, a Redis that speaks TLS is pulled with a key of the workstation', async () => {
  const ca = await makeCa(world.home, 'ca')
  const { cert, key } = await ca.sign('both')
  const port = await freePort()
  for (const [name, value] of [
    ['tls-cert-file', cert],
    ['tls-key-file', key],
    ['tls-ca-cert-file', ca.cert],
    ['tls-port', String(port)],
  ] as const)
    redisNow(world, 'config', 'set', name, value)
  const source = world.config.hosts['prod']!.sources['redis_data']!
  Object.assign(source, {
    address: `127.0.0.1:${port}`,
    tls: { ca: ca.cert, cert: './both.crt', key: './both.key' },
  })
  await world.writeConfig()
  const result = await world.cli('pull', 'prod')
  expect(result.code, result.stderr).toBe(0)
  source['tls'] = { ca: ca.cert }
  await world.writeConfig()
  const refused = await world.cli('pull', 'prod')
  expect(refused.code).not.toBe(0)
  expect(refused.stdout + refused.stderr).toMatch(/wants a client certificate/)
})
