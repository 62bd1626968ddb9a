import { execFileSync } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createUser, type TestUser } from '../lab/sshd.ts'
import { tempDir } from '../lab/temp.ts'
import { readTree } from '../lab/hostile-tree.ts'
import { startWorld, type World } from '../lab/world.ts'

let world: World
let user: TestUser
const stack = new AsyncDisposableStack()

beforeAll(async () => {
  world = stack.use(await startWorld())
  user = stack.use(await createUser())
  await chmod(dirname(dirname(world.deployment)), 0o755)
  await writeFile(join(world.deployment, 'data/later'), 'as it was')
  const prod = world.config.hosts['prod']!
  prod.ssh['user'] = user.name
  prod.sources = { data: { kind: 'files', path: 'data' } }
  await world.writeConfig()
})

afterAll(() => stack.disposeAsync())

interface Pulled {
  readonly hosts: readonly {
    readonly snapshot: string
    readonly complete: boolean
    readonly sources: readonly { readonly outcome: string; readonly warnings: readonly unknown[] }[]
  }[]
}

/** A pull, and the names of the files that its snapshot holds. */
async function pull(...args: string[]) {
  const pulled = await world.cli('pull', ...args, '--json')
  const [host] = (JSON.parse(pulled.stdout) as Pulled).hosts
  await using temp = await tempDir()
  const to = join(temp.path, 'unpacked')
  await mkdir(to)
  await world.extract(host?.snapshot ?? '', to)
  const names = [...(await readTree(to)).keys()].filter((name) => name.includes('data/')).sort()
  return { ...pulled, host, names }
}

test('a file that may not be read costs itself alone, is named, and comes when it may be', async () => {
  const whole = await pull()
  expect(whole.code, whole.stderr).toBe(0)
  expect(whole.names).toEqual(['data/data.bin', 'data/later'])

  await chmod(join(world.deployment, 'data/later'), 0o600)
  await mkdir(join(world.deployment, 'data/shut'), { mode: 0o700 })
  const without = await pull()
  expect(without.code, without.stderr).toBe(3)
  expect(without.names.filter((name) => !name.startsWith('data/shut'))).toEqual(['data/data.bin'])
  expect(without.host).toMatchObject({
    complete: false,
    sources: [{ outcome: 'partial', warnings: [{ code: 'file-unreadable', count: 2 }] }],
  })
  expect(without.stderr).toMatch(
    /not in this snapshot: 2 files can't be read by uid \d+: .*data\/later \(uid 0,/,
  )
  expect(JSON.stringify(await world.manifest(without.host?.snapshot ?? ''))).not.toContain('later')
  const plan = await world.cli(
    'restore',
    `prod/${without.host?.snapshot}`,
    '--host',
    'prod',
    '--no-safety',
    '--dry-run',
  )
  expect(plan.stdout).toContain('not in it, since the pull could not read them: 2')

  await chmod(join(world.deployment, 'data/later'), 0o644)
  await chmod(join(world.deployment, 'data/shut'), 0o755)
  const again = await pull()
  expect(again.code, again.stderr).toBe(0)
  expect(again.names).toEqual(['data/data.bin', 'data/later', 'data/shut'])
  expect(again.host).toMatchObject({ complete: true, sources: [{ outcome: 'done', warnings: [] }] })
})

test('a source whose root may not be read fails, and a dry run says so', async () => {
  const root = join(world.deployment, 'data')
  await chmod(root, 0o700)
  try {
    for (const args of [['pull', '--dry-run'], ['pull']]) {
      const result = await world.cli(...args)
      expect(result.code, result.stdout).toBe(1)
      expect(result.stdout + result.stderr).toMatch(/data can't be read by uid/)
    }
  } finally {
    await chmod(root, 0o755)
  }
})

test('a restore does not replace what its safety snapshot could not read', async () => {
  execFileSync('chown', ['-R', user.name, world.deployment])
  await chmod(join(world.deployment, 'data/later'), 0o000)
  const restored = await world.cli('restore', '--host', 'prod', '--yes')
  expect(restored.code).toBe(1)
  expect(restored.stderr).toContain("some of data can't be read")
})
