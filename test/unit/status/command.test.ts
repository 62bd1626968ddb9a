import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { status } from '../../../src/commands/status.ts'
import type { StatusReport } from '../../../src/model/status-report.ts'
import { openVault } from '../../../src/vault/open-vault.ts'
import { commandContext } from '../../lab/command-context.ts'
import { endedRun } from '../../lab/ended-run.ts'
import { makeDays, temporaryDirectory } from '../vault/fixtures.ts'

const first = new Date('2026-03-01T02:00:00Z')
const now = new Date('2026-03-03T12:00:00Z')

/** A config of two hosts, of which `prod` has three good days. */
async function lab(more = '') {
  const directory = await temporaryDirectory()
  const { path } = directory
  const config = join(path, 'hosts.yaml')
  await writeFile(
    config,
    `version: 1\nvault: ./vault\nencryption: { recipients: [k.asc] }\n${more}hosts:\n  prod: { ssh: root@a }\n  staging: { ssh: root@b }\n`,
  )
  const context = commandContext(config, path, { now: () => now })
  const fill = async () => {
    const vault = await openVault(join(path, 'vault'))
    await makeDays(vault, 'prod', first, 3)
    await vault.recordRun(endedRun(new Date('2026-03-03T02:00:00Z')))
    return vault
  }
  return { path, context, fill, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() }
}

const troubles = (json: unknown) =>
  (json as StatusReport).hosts.map(({ host, troubles: own }) => [host, ...own.map(({ code }) => code)])

test('before the first pull each host says how to make one, and nothing is made', async () => {
  await using one = await lab()
  const { exitCode, text, json } = await status(one.context, [], {})
  expect(exitCode).toBe(4)
  expect(text).toContain('Make the first with: relay-backup pull staging')
  expect(json).toMatchObject({ ok: false, troubles: [] })
  expect(await readdir(one.path)).toEqual(['hosts.yaml'])
})

test('a good host ends with 0, one that was never backed up with 4', async () => {
  await using one = await lab()
  await one.fill()
  const good = await status(one.context, ['prod'], {})
  expect([good.exitCode, good.quiet]).toEqual([0, ''])
  expect(good.text).toMatch(/^prod {2,}ok {2,}10h ago {2,}1\/1 /m)
  const all = await status(one.context, [], {})
  expect(all.exitCode).toBe(4)
  expect(troubles(all.json)).toEqual([['prod'], ['staging', 'never']])
  expect(all.quiet).toBe(
    'failed: staging: there is no complete backup yet. Next: Make the first with: relay-backup pull staging',
  )
})

test('limits are those of the config', async () => {
  await using one = await lab('alerts: { overdueAfter: 9h, disk: 1% }\n')
  await one.fill()
  const { json, text } = await status(one.context, ['prod'], {})
  expect(troubles(json)).toEqual([['prod', 'overdue']])
  expect(json).toMatchObject({ troubles: [{ code: 'disk' }] })
  expect(text).toContain('one is expected every 9h')
})

test('a host that can not be read hides no other', async () => {
  await using one = await lab()
  await one.fill()
  const ledger = join(one.path, 'vault', 'staging', 'ledger.jsonl')
  await mkdir(join(one.path, 'vault', 'staging'), { mode: 0o700 })
  await symlink('/dev/zero', ledger)
  const { exitCode, json } = await status(one.context, [], {})
  expect(exitCode).toBe(4)
  expect(troubles(json)).toEqual([['prod'], ['staging', 'unreadable']])
})

test('metrics take the place of the old ones in one step, for everybody to read', async () => {
  await using one = await lab()
  await one.fill()
  const metrics = join(one.path, 'metrics')
  await mkdir(metrics)
  await writeFile(join(metrics, 'relay.prom'), 'old', { mode: 0o600 })
  await status(one.context, [], { prometheus: 'metrics/relay.prom' })
  expect(await readFile(join(metrics, 'relay.prom'), 'utf8')).toContain(
    'relay_backup_last_good_timestamp_seconds{host="prod"} 1772503200',
  )
  expect((await stat(join(metrics, 'relay.prom'))).mode & 0o777).toBe(0o644)
  expect(await readdir(metrics)).toEqual(['relay.prom'])
})

test('metrics that can not be written are an error with a next step', async () => {
  await using one = await lab()
  await expect(status(one.context, ['prod'], { prometheus: 'none/relay.prom' })).rejects.toMatchObject({
    code: 'metrics-file',
    details: { next: expect.stringContaining('--prometheus FILE') as string },
  })
})

test('metrics take the place of no device', async () => {
  await using one = await lab()
  await mkdir(join(one.path, 'directory'))
  for (const prometheus of ['/dev/null', 'directory'])
    await expect(status(one.context, ['prod'], { prometheus })).rejects.toMatchObject({
      code: 'metrics-file',
    })
  expect((await stat('/dev/null')).isCharacterDevice()).toBe(true)
})
