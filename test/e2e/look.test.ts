import { execFile } from 'node:child_process'
import { mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startWorld, type World } from '../lab/world.ts'

const run = promisify(execFile)

let world: World
beforeEach(async () => {
  world = await startWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

/** A file of every byte, and names as no one should have them. */
async function fill(): Promise<void> {
  const data = join(world.deployment, 'data')
  await mkdir(join(data, 'd'))
  const every = Buffer.from(Array.from({ length: 1024 }, (_, at) => at % 256))
  await writeFile(join(data, 'd/every'), every)
  await writeFile(join(data, 'd/red\x1b[31m\nname'), 'odd')
  await symlink('/etc/passwd', join(data, 'd/link'))
}

test('a snapshot is listed, searched, printed and extracted, in plain only where that was asked for', async () => {
  await fill()
  expect(await world.cli('pull')).toMatchObject({ code: 0 })
  const [id = ''] = await world.snapshots()

  const sources = await world.cli('ls', 'prod/latest')
  expect(sources.stdout).toMatch(/^redis_data: +redis .*\nlogs: +files +2 entries +18 B\n/)
  const long = await world.cli('ls', 'latest', 'data:d/', '-l')
  expect(long.stdout).toMatch(
    /-rw-r--r-- +\S+ +1\.0 KiB +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +data:data\/d\/every\n/,
  )
  expect(long.stdout).toContain('data:data/d/link -> /etc/passwd\n')
  expect(long.stdout).toContain('data:data/d/red\\x1b[31m\\nname\n')
  expect(long.stdout).not.toContain('\x1b')

  const json = JSON.parse((await world.cli('find', 'e*', '--json', '--since', '1h')).stdout) as {
    versions: object[]
  }
  expect(json.versions).toMatchObject([
    { host: 'prod', source: 'data', path: 'data/d/every', snapshots: [id] },
  ])

  const out = join(world.home, 'cat')
  const bin = join(import.meta.dirname, '../../bin/relay-backup.js')
  await run('sh', ['-c', '"$0" "$1" cat latest data:d/every > "$2"', process.execPath, bin, out], {
    cwd: world.home,
  })
  const every = await readFile(join(world.deployment, 'data/d/every'))
  expect((await readFile(out)).equals(every)).toBe(true)
  expect((await world.cli('cat', 'latest', 'data:d/red\\x1b[31m\\nname')).stdout).toBe('odd')
  expect(await world.cli('cat', 'latest', 'data:d')).toMatchObject({ code: 2, stdout: '' })
  expect((await world.cli('cat', 'latest', 'data:d/evry')).stderr).toContain(
    'Did you mean data:data/d/every?',
  )

  const before = await readdir(world.home)
  const extracted = await world.cli('extract', id, 'data:d', 'redis_data', '--to', 'here')
  expect(extracted).toMatchObject({ code: 0 })
  expect((await readdir(world.home)).filter((name) => !before.includes(name))).toEqual(['here'])
  expect((await readFile(join(world.home, 'here/data/d/every'))).equals(every)).toBe(true)
  expect(await readdir(join(world.home, 'here'))).toEqual(['data', 'redis_data'])
  expect(await world.cli('extract', id, 'data:d', '--to', 'here')).toMatchObject({ code: 1 })

  const archive = join(world.vault, 'prod', id, 'data.tar.zst.gpg')
  const bytes = await readFile(archive)
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 30) ^ 1, bytes.length - 30)
  await writeFile(archive, bytes)
  const part = await world.cli('extract', id, '--to', 'part')
  expect(part.code, part.stdout).toBe(3)
  expect(part.stdout).toContain('failed: ')
  expect((await world.cli('list')).stdout).toContain('damaged')
})
