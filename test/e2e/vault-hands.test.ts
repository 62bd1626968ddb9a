import { execFileSync } from 'node:child_process'
import { chmod, cp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../lab/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
  world.config.hosts['prod']!.sources = { data: { kind: 'files', path: 'data' } }
  await world.writeConfig()
  expect((await world.cli('pull', 'prod')).code).toBe(0)
})
afterAll(() => world[Symbol.asyncDispose]())

test('a vault that others can write to is told with the command that mends it', async () => {
  await chmod(world.vault, 0o770)
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr).toBe(0)
  expect(pulled.stderr).toMatch(/can be written to by its group \(mode 770\).*\n +Next: chmod -R go-rwx/)
  const verified = await world.cli('verify', 'prod')
  expect(verified.code).toBe(0)
  expect(verified.stderr).toContain('can be written to by its group')
  await chmod(world.vault, 0o700)
  expect((await world.cli('verify', 'prod')).stderr).not.toContain('can be written')
})

test('a vault set back to an older copy is told by verify and by a pull, until a person accepts it', async () => {
  const copy = join(world.home, 'copy')
  await cp(world.vault, copy, { recursive: true, preserveTimestamps: true })
  expect((await world.cli('pull', 'prod')).code).toBe(0)
  await rm(world.vault, { recursive: true })
  await rename(copy, world.vault)

  const verified = await world.cli('verify', 'prod')
  expect(verified.code).toBe(4)
  expect(verified.stdout).toMatch(/prod\/ledger\.jsonl: The ledger lacks lines .*\n +Next: .*prune --accept/)
  const planned = await world.cli('restore', '--host', 'prod', '--dry-run')
  expect(planned.code, planned.stderr).toBe(0)
  expect(planned.stdout).toContain('warning: the vault was set back to an older copy')
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code, pulled.stderr).toBe(0)
  expect(pulled.stderr).toMatch(/the vault was set back to an older copy.*\n +Next: .*verify prod/)
  expect((await world.cli('verify', 'prod')).code).toBe(4)
  expect((await world.cli('prune', 'prod')).code).toBe(1)
  expect((await world.cli('prune', 'prod', '--accept')).code).toBe(0)
  expect((await world.cli('verify', 'prod')).code).toBe(0)
  expect((await world.cli('pull', 'prod')).stderr).not.toContain('set back')
})

test('a ledger that is a FIFO, and a lock that is a link, are told by name and not followed', async () => {
  const ledger = join(world.vault, 'prod', 'ledger.jsonl')
  const good = await readFile(ledger)
  await rm(ledger)
  execFileSync('mkfifo', [ledger])
  const verified = await world.cli('verify', 'prod')
  expect(verified.code).toBe(4)
  expect(verified.stdout).toContain('ledger.jsonl is a FIFO, not a file')
  await rm(ledger)
  await writeFile(ledger, good, { mode: 0o600 })

  const precious = join(world.home, 'precious')
  await writeFile(precious, 'precious')
  await rm(join(world.vault, 'prod', '.lock'))
  await symlink(precious, join(world.vault, 'prod', '.lock'))
  const pulled = await world.cli('pull', 'prod')
  expect(pulled.code).toBe(1)
  expect(pulled.stderr).toMatch(/\.lock is a symbolic link, not a file/)
  expect(await readFile(precious, 'utf8')).toBe('precious')
  await rm(join(world.vault, 'prod', '.lock'))
  expect((await world.cli('verify', 'prod')).code).toBe(0)
})
