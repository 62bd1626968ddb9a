import { chmod, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runCli } from '../lab/cli.ts'
import { tempDir } from '../lab/temp.ts'

test.each([
  ['empty', ''],
  ['relative', 'cache'],
])('an XDG_CACHE_HOME that is %s put code into the current directory', async (_what, value) => {
  await using temp = await tempDir()
  await using home = await tempDir()
  const env = { XDG_CACHE_HOME: value, HOME: home.path }
  const result = await runCli(['--version'], { cwd: temp.path, env })
  expect(result.code, result.stderr).toBe(0)
  expect(await readdir(temp.path)).toEqual([])
  expect(await readdir(home.path)).toEqual(['.cache'])
})

test('an empty HOME put everything into the current directory', async () => {
  await using temp = await tempDir()
  const env = { HOME: '', XDG_CACHE_HOME: join(temp.path, 'cache'), XDG_STATE_HOME: '', XDG_CONFIG_HOME: '' }
  const result = await runCli(['list'], { cwd: temp.path, env })
  expect(result.code).toBe(2)
  expect(result.stderr).toMatch(/looked for \S+hosts\.yaml and \/\S+\/\.config\/relay-backup\/hosts\.yaml/)
  expect(await readdir(temp.path)).toEqual(['cache'])
})

test('no code is kept where others may write', async () => {
  await using temp = await tempDir()
  const cache = join(temp.path, 'relay-backup', 'compiled')
  await mkdir(cache, { recursive: true })
  await chmod(join(temp.path, 'relay-backup'), 0o777)
  const result = await runCli(['--version'], { cwd: temp.path, env: { XDG_CACHE_HOME: temp.path } })
  expect(result.code, result.stderr).toBe(0)
  expect(await readdir(cache)).toEqual([])
})
