import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { exportWarning, recordExport, wasExported } from '../../../src/crypto/export-record.ts'

let state: string
let env: NodeJS.ProcessEnv
beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), 'state-'))
  env = { XDG_STATE_HOME: state }
})
afterEach(() => rm(state, { recursive: true }))

test('the warning comes once a fingerprint', async () => {
  expect(await exportWarning(env, ['AA'])).toContain('AA')
  expect(await exportWarning(env, ['AA'])).toBeUndefined()
  const warning = await exportWarning(env, ['AA', 'BB'])
  expect(warning).toContain('BB')
  expect(warning).not.toContain('AA')
  expect(await exportWarning(env, [])).toBeUndefined()
})

test('an exported key needs no warning', async () => {
  await recordExport(env, ['AA'], new Date('2025-11-20'))
  expect(await exportWarning(env, ['AA'])).toBeUndefined()
  expect(await wasExported(env, 'AA')).toBe(true)
  await exportWarning(env, ['BB'])
  expect(await wasExported(env, 'BB')).toBe(false)
  await recordExport(env, ['BB'], new Date('2025-11-20'))
  expect(await wasExported(env, 'BB')).toBe(true)
})

test('the record is private', async () => {
  await recordExport(env, ['AA'], new Date())
  expect((await stat(join(state, 'relay-backup', 'key-exported.json'))).mode & 0o777).toBe(0o600)
  expect((await stat(join(state, 'relay-backup'))).mode & 0o777).toBe(0o700)
})

test('a broken record or a state directory that cannot be made costs a warning, no more', async () => {
  await exportWarning(env, ['AA'])
  await writeFile(join(state, 'relay-backup', 'key-exported.json'), '{"AA":')
  expect(await exportWarning(env, ['AA'])).toContain('AA')
  await writeFile(join(state, 'file'), '')
  expect(await exportWarning({ XDG_STATE_HOME: join(state, 'file') }, ['AA'])).toContain('AA')
})
