import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freePort } from '../../lab/ports.ts'
import { PROGRAMS } from '../../lab/programs.ts'

const TESTS = join(import.meta.dirname, '../..')
/** Paths that tests only talk about. */
const TALKED_ABOUT = ['valkey-server', 'policy-rc.d']

test('the tests find declared programs, those of every Debian machine, and no others', () => {
  const folder = process.env['PATH'] ?? ''
  expect(folder).not.toContain(':')
  for (const name of [...Object.keys(PROGRAMS), 'sh', 'tar', 'awk', 'node']) {
    expect(existsSync(join(folder, name)), name).toBe(true)
  }
  // On this machine, because apt needs it; declared by nobody.
  expect(spawnSync('apt-ftparchive').error).toMatchObject({ code: 'ENOENT' })
})

test('a program that a test names by its whole path is declared, too', () => {
  const folder = process.env['PATH'] ?? ''
  const files = readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  )
  expect(files.length).toBeGreaterThan(100)
  const undeclared = files.flatMap((file) =>
    [...readFileSync(join(TESTS, file), 'utf8').matchAll(/['"`](?:\/usr)?\/s?bin\/([\w.-]+)['"`]/g)]
      .map(([, name = '']) => name)
      .filter((name) => !existsSync(join(folder, name)) && !TALKED_ABOUT.includes(name))
      .map((name) => `${file}: ${name}`),
  )
  expect(undeclared).toEqual([])
})

test('ports of one process and of another that runs at the same time are never the same', async () => {
  const here: number[] = []
  for (let count = 0; count < 150; count += 1) here.push(await freePort())
  const script = `import { freePort } from ${JSON.stringify(join(TESTS, 'lab/ports.ts'))}
    for (let count = 0; count < 150; count += 1) console.log(await freePort())`
  const other = spawnSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
    encoding: 'utf8',
  })
  const there = other.stdout.trim().split('\n').map(Number)
  expect(there).toHaveLength(150)
  expect(new Set([...here, ...there]).size).toBe(300)
  expect(Math.max(...here, ...there)).toBeLessThan(32_768)
})
