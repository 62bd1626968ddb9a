import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type MigrationLab, startMigrationLab } from '../lab/migration.ts'

let lab: MigrationLab
beforeAll(async () => {
  lab = await startMigrationLab()
})
afterAll(() => lab[Symbol.asyncDispose]())

const serving = async () => ({ old: await lab.old.serves(), new: await lab.new.serves() })

async function move(from: 'old' | 'new', to: 'old' | 'new', ...flags: string[]): Promise<void> {
  const moved = await lab.cli('migrate', from, to, '--cutover', '--yes', ...flags)
  expect(moved.code, moved.stderr + moved.stdout).toBe(0)
}

test('a server that was moved away and back is moved again, and only the last move is taken back', async () => {
  await move('old', 'new')
  const ids = await migrations('old')
  const gone = await lab.cli('migrate', 'old', 'new', '--cutover', '--replace', '--yes')
  expect(gone.code).toBe(1)
  expect(gone.stderr).toContain(`--restore ${ids[0]}`)
  await lab.new.redis('set', 'on', 'new')
  await move('new', 'old', '--replace')
  await lab.old.redis('set', 'on', 'old again')
  await move('old', 'new', '--replace')
  expect(await serving()).toEqual({ old: false, new: true })
  expect(await lab.new.redis('get', 'on')).toBe('old again')

  const first = await lab.cli('rollback', '--host', 'old', '--restore', ids[0] ?? '', '--yes')
  expect(first.code, first.stdout).toBe(1)
  expect(first.stderr).toContain('is history')
  const last = await lab.cli('rollback', '--host', 'old', '--yes')
  expect(last.code, last.stderr + last.stdout).toBe(0)
  expect(await serving()).toEqual({ old: true, new: false })
  expect(await lab.old.redis('get', 'on')).toBe('old again')

  const discarded = await lab.cli('rollback', '--host', 'old', '--discard', '--yes')
  expect(discarded.code, discarded.stderr).toBe(0)
  const undone = await lab.cli('rollback', '--host', 'old', '--yes')
  expect(undone.stdout + undone.stderr).not.toContain('is undone')
  expect(await serving()).toEqual({ old: true, new: false })
  expect(await lab.old.redis('get', 'on')).toBe('old again')
}, 180_000)

/** Their ids in a host's history, the oldest first. */
async function migrations(host: 'old' | 'new'): Promise<readonly string[]> {
  const names = await readdir(`${lab[host].deployment}/.relay-backup`)
  return names.flatMap((name) => (name.startsWith('restore-') ? [name.slice('restore-'.length)] : [])).sort()
}
