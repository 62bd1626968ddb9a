import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runCli } from '../lab/cli.ts'
import { tempDir } from '../lab/temp.ts'

test('the demo tells the whole story and leaves nothing behind', async () => {
  await using temp = await tempDir()
  const [cwd, scratch] = [join(temp.path, 'here'), join(temp.path, 'scratch')]
  for (const folder of [cwd, scratch]) await mkdir(folder)
  const result = await runCli(['demo'], { cwd, env: { TMPDIR: scratch } })
  expect(result.code, result.stderr).toBe(0)
  expect(result.stderr).toContain('identical')
  expect(result.stderr).toMatch(/Redis keys: (\d+) of \1, the same, in the Redis that runs there/)
  expect(result.stderr).not.toMatch(/^ *(warning|note):/m)
  expect(result.stderr).toContain('starting data services')
  expect(result.stderr).toMatch(/in three commands:\n( {2}relay-backup .*\n){3}/)
  for (const folder of [cwd, scratch]) expect(await readdir(folder)).toEqual([])
  // Without a shell in between: its own command line would hold the name, too.
  expect(spawnSync('pgrep', ['-fa', scratch]).stdout.toString()).toBe('')
})

test('without a redis-server the demo uses the shipped RDB', async () => {
  await using temp = await tempDir()
  const bin = `${temp.path}/bin`
  // A PATH with everything but Redis.
  execFileSync('sh', [
    '-c',
    'mkdir "$1" && for f in /bin/* /usr/bin/*; do case $f in */redis-*) ;; *) ln -sf "$f" "$1" ;; esac; done',
    'sh',
    bin,
  ])
  const result = await runCli(['demo'], { cwd: temp.path, env: { PATH: bin } })
  expect(result.code, result.stderr).toBe(0)
  expect(result.stderr).toContain('shipped dump.rdb')
})
