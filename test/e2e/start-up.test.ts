import { execFile } from 'node:child_process'
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { runCli } from '../lab/cli.ts'
import { tempDir } from '../lab/temp.ts'

const run = promisify(execFile)
const BIN = join(import.meta.dirname, '../../bin/relay-backup.js')
const DIST = join(import.meta.dirname, '../../dist')

test('what was compiled is kept where only the user writes', async () => {
  await using temp = await tempDir()
  const result = await runCli(['--version'], { cwd: temp.path, env: { XDG_CACHE_HOME: temp.path } })
  expect(result.code, result.stderr).toBe(0)
  const cache = join(temp.path, 'relay-backup/compiled')
  expect((await stat(cache)).mode & 0o777).toBe(0o700)
  expect((await readdir(cache, { recursive: true })).length).toBeGreaterThan(5)
})

test('without a place for the cache everything works', async () => {
  await using temp = await tempDir()
  const file = join(temp.path, 'file')
  await writeFile(file, '')
  const result = await runCli(['--version'], { cwd: temp.path, env: { XDG_CACHE_HOME: file } })
  expect(result.code, result.stderr).toBe(0)
  expect(result.stderr).toBe('')
})

test('--version loads no command and no large library', async () => {
  const { stderr } = await run(process.execPath, [BIN, '--version'], {
    env: { ...process.env, NODE_DEBUG: 'esm', NODE_DISABLE_COMPILE_CACHE: '1' },
    maxBuffer: 1 << 26,
  })
  expect(stderr).toContain('commander')
  for (const library of ['ssh2', 'openpgp']) expect(stderr.includes(library), library).toBe(false)
  const own = stderr.replaceAll(/\S*node_modules\S*/g, '')
  const chunks = new Set([...own.matchAll(/dist\/([\w-]+)\.js/g)].map(([, name = '']) => name))
  expect(chunks).toContain('start')
  const sizes = await Promise.all(
    [...chunks].map(async (name) => (await stat(join(DIST, `${name}.js`))).size),
  )
  // zod and yaml alone have hundreds of kilobytes in there.
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(100_000)
})

test('a program that ends without an outcome does not say that all is well', async () => {
  await using temp = await tempDir()
  const hang = join(temp.path, 'hang.mjs')
  // Reading a directory never comes to an end, and nothing else is waited for.
  await writeFile(
    hang,
    `import fs from 'node:fs'
     import { syncBuiltinESMExports } from 'node:module'
     fs.promises.readdir = () => new Promise(() => {})
     syncBuiltinESMExports()`,
  )
  const config = `version: 1\nvault: vault\nencryption: { passphrase: { env: P } }\nhosts: { a: { ssh: a@b, deployment: /a } }\n`
  await writeFile(join(temp.path, 'hosts.yaml'), config)
  await mkdir(join(temp.path, 'vault'))
  const result = await runCli(['list'], { cwd: temp.path, env: { NODE_OPTIONS: `--import=${hang}`, P: 'p' } })
  expect(result.code).toBe(1)
  expect(result.stderr).toContain('without an outcome')
})

test('the outcome is that of the command when nobody reads its report', async () => {
  await using temp = await tempDir()
  const command = `"$1" "$2" list --json --config "$3" | true; echo "\${PIPESTATUS[0]}"`
  const { stdout } = await run('bash', [
    '-c',
    command,
    'bash',
    process.execPath,
    BIN,
    join(temp.path, 'none.yaml'),
  ])
  expect(stdout).toBe('2\n')
})

test('on a Node that is too old it says the command that helps, with what was asked for', async () => {
  const old = `data:text/javascript,${encodeURIComponent("Object.defineProperty(process, 'versions', { value: { node: '20.20.2' } })")}`
  const told = await run(process.execPath, ['--import', old, BIN, 'list', "it's"]).catch(
    (error: unknown) => error,
  )
  expect(told).toMatchObject({ code: 2 })
  expect((told as { stderr: string }).stderr).toContain(
    `Node 20.20.2.\nNext: npx --yes --package node@24 -- node ${BIN} list 'it'\\''s'\n`,
  )
})
