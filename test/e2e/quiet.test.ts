import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { labCrontab } from '../lab/crontab.ts'
import { startWorld, type World, type WorldConfig } from '../lab/world.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')

let world: World
let config: WorldConfig
beforeAll(async () => {
  world = await startWorld()
  delete world.config.hosts['prod']!.sources['redis_data']
  config = structuredClone(world.config)
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(async () => {
  Object.assign(world.config, structuredClone(config))
  await world.writeConfig()
})

async function quietly(...args: string[]) {
  const { code, stdout, stderr } = await world.cli('--quiet', ...args)
  return { code, said: `${stdout}${stderr}` }
}

test('what goes well says nothing, whatever the operation; what was asked for is printed', async () => {
  for (const args of [
    ['config', 'check'],
    ['pull', 'prod', '--dry-run'],
    ['pull', '--all'],
    ['pull', '--all', '--if-older-than', '1h'],
    ['verify', '--all'],
    ['prune'],
    ['restore', '--host', 'prod', '--dry-run'],
    ['restore', '--host', 'prod', '--yes'],
    ['rollback', '--host', 'prod', '--yes'],
    ['key', 'rotate', '--yes'],
    ['key', 'export', '--to', join(world.home, 'elsewhere.asc')],
  ])
    expect(await quietly(...args), args.join(' ')).toEqual({ code: 0, said: '' })
  expect((await quietly('list')).said).toMatch(/^snapshot .*\nprod\//)
})

test('what fails says one line a trouble, with the next step in it', async () => {
  const { prod } = world.config.hosts
  prod!.sources['gone'] = { kind: 'files', path: 'not-there' }
  prod!.sources['away'] = { kind: 'files', path: 'nor-this' }
  world.config.hosts['off'] = { ...prod!, ssh: { ...prod!.ssh, port: 1 } }
  await world.writeConfig()
  const lines = [
    expect.stringMatching(/^failed: off: Nothing listens at .*\. Next: Check the port/),
    expect.stringMatching(/^failed: prod\/away: .*nor-this does not exist.* Next: /),
    expect.stringMatching(/^failed: prod\/gone: .*not-there does not exist.* Next: /),
    '',
  ]
  for (const more of [['--dry-run'], []]) {
    const { code, said } = await quietly('pull', '--all', ...more)
    expect(code, said).toBe(3)
    expect(
      said.split('\n').toSorted((one, other) => (one === '' ? 1 : other === '' ? -1 : one < other ? -1 : 1)),
    ).toEqual(lines)
  }
  expect(await quietly('pull', 'nobody')).toEqual({
    code: 2,
    said: expect.stringMatching(/^error: .*Next: .*\n$/) as string,
  })
  await writeFile(join(world.home, 'hosts.yaml'), 'version: 2\nvalut: x\n')
  const wrong = await quietly('pull', '--all')
  expect(wrong.code).toBe(2)
  for (const line of wrong.said.trimEnd().split('\n')) expect(line).toMatch(/^error: \S+hosts\.yaml:\d/)
})

test('a source that failed all alone is said once, and so is damage', async () => {
  world.config.hosts['prod']!.sources = { gone: { kind: 'files', path: 'not-there' } }
  await world.writeConfig()
  const pulled = await quietly('pull', 'prod')
  expect(pulled.code).toBe(1)
  expect(pulled.said).toMatch(/^failed: prod\/gone: .*\n$/)
  const [id = ''] = await world.snapshots()
  const archive = (await readdir(join(world.vault, 'prod', id))).find((name) => name.startsWith('logs.tar'))!
  const file = join(world.vault, 'prod', id, archive)
  const kept = await readFile(file)
  await writeFile(file, 'damaged')
  const verified = await quietly('verify', `prod/${id}`)
  expect(verified.code).toBe(4)
  expect(verified.said).toMatch(/^failed: prod\/\S+logs\.tar\S*: .*Next: .*\n$/)
  // Until it is proven mended, every pull says that rotation waits for it.
  await writeFile(file, kept)
  expect(await quietly('verify', `prod/${id}`)).toEqual({ code: 0, said: '' })
})

test("the README's command fills Debian's crontab, and its line runs in cron's empty environment", async () => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
  const section = readme.split('## Every night\n')[1]!.split('\n## ')[0]!
  const script = section
    .split('\n')
    .filter((line) => line.startsWith('    '))
    .join('\n')
  // As npm link makes it, beside a Node that is not on cron's path.
  const bin = join(world.home, 'bin of somebody')
  await mkdir(bin)
  await symlink(process.execPath, join(bin, 'node'))
  await symlink(join(ROOT, 'bin/relay-backup.js'), join(bin, 'relay-backup'))
  await using crontab = await labCrontab(bin)
  await crontab.set('MAILTO=me@example.com\n@daily true\n')
  const env = { HOME: world.home, PATH: `${bin}:/usr/bin:/bin` }
  const install = async () => (await run('sh', ['-c', script], { cwd: world.home, env })).stdout
  expect(await install()).toMatch(
    /^Kept by cron: 1 timer written and read back\n {2}backup: every day at 02:00/,
  )
  const text = await crontab.text()
  expect(text).toMatch(/# END relay-backup \S+\nMAILTO=me@example.com\n@daily true\n$/)
  expect(await install()).toMatch(/^Kept by cron: as they were\n/)
  expect(await crontab.text()).toBe(text)
  const lines = text.split('\n').filter((line) => / schedule run /.test(line))
  expect(lines).toHaveLength(1)
  const command = /^0 2 \* \* \* (.*)$/.exec(lines[0]!)?.[1]?.replaceAll('\\%', '%') ?? ''
  const cron = { HOME: world.home, LOGNAME: 'nobody', SHELL: '/bin/sh', PATH: '/usr/bin:/bin' }
  const before = await world.snapshots()
  const { stdout, stderr } = await run('/bin/sh', ['-c', command], { cwd: dirname(world.home), env: cron })
  expect({ stdout, stderr }).toEqual({ stdout: '', stderr: '' })
  expect(before).not.toContain((await world.snapshots()).at(-1))
  const runs = await readFile(join(world.vault, 'prod', 'runs.jsonl'), 'utf8')
  expect(runs.trimEnd().split('\n').at(-1)).toContain('"trigger":"schedule:backup"')
  await run('relay-backup', ['schedule', 'remove', '--yes'], { cwd: world.home, env })
  expect(await crontab.text()).toBe('MAILTO=me@example.com\n@daily true\n')
  await rm(join(world.home, '.local'), { recursive: true, force: true })
})
