import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type MigrationLab, startMigrationLab } from '../lab/migration.ts'

let lab: MigrationLab
beforeAll(async () => {
  lab = await startMigrationLab()
})
afterAll(() => lab[Symbol.asyncDispose]())

const serving = async () => ({ old: await lab.old.serves(), new: await lab.new.serves() })

test('a foreign deployment on the new server is neither stopped nor replaced unasked', async () => {
  await mkdir(join(lab.new.deployment, 'data'), { recursive: true })
  await writeFile(join(lab.new.deployment, 'data/theirs'), 'of somebody else')
  const refused = await lab.cli('migrate', 'old', 'new', '--cutover', '--yes')
  expect(refused.code, refused.stdout).toBe(1)
  expect(refused.stderr).toContain('new is not empty')
  expect(await serving()).toEqual({ old: true, new: false })
}, 60_000)

test('an old server that can not be reached at the rollback: the new one is never stopped for it', async () => {
  const moved = await lab.cli('migrate', 'old', 'new', '--cutover', '--replace', '--yes')
  expect(moved.code, moved.stderr + moved.stdout).toBe(0)
  expect(moved.stdout).toMatch(/nobody served for [\d.]+ s: stopping /)
  const planned = await lab.cli('migrate', 'new', 'old', '--cutover', '--replace', '--dry-run')
  expect(planned.stdout).toMatch(/by the cutover from old to new of [\d-]+, which took [\d.]+ s/)
  const { ssh } = lab.config.hosts.old
  const port = ssh['port']
  ssh['port'] = 1
  await lab.writeConfig()
  const alone = await lab.cli('rollback', '--host', 'new', '--yes')
  expect(alone.code, alone.stdout).toBe(1)
  expect(alone.stderr).toContain('without the old server nobody would serve')
  expect(await serving()).toEqual({ old: false, new: true })
  ssh['port'] = port
  await lab.writeConfig()
  const back = await lab.cli('rollback', '--host', 'new', '--yes')
  expect(back.code, back.stderr + back.stdout).toBe(0)
  expect(await serving()).toEqual({ old: true, new: false })
}, 120_000)
