import { execFileSync, spawnSync } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { runCli } from '../lab/cli.ts'
import { tempDir } from '../lab/temp.ts'

const demoDirectories = async () =>
  (await readdir(tmpdir())).filter((name) => name.startsWith('relay-backup-demo-'))

test('the demo tells the whole story and leaves nothing behind', async () => {
  await using temp = await tempDir()
  const before = await demoDirectories()
  const result = await runCli(['demo'], { cwd: temp.path })
  expect(result.code, result.stderr).toBe(0)
  expect(result.stderr).toContain('identical')
  expect(result.stderr).toMatch(/Redis keys: (\d+) of \1,/)
  expect(await demoDirectories()).toEqual(before)
  expect(await readdir(temp.path)).toEqual([])
  // Without a shell in between: its own command line would hold the name, too.
  expect(spawnSync('pgrep', ['-fa', 'relay-backup-demo-']).stdout.toString()).toBe('')
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
