import { appendFile, mkdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { audit } from '../../../src/commands/audit.ts'
import type { ProgressEvent } from '../../../src/report/contract.ts'
import { auditRecipients } from '../../../src/runs/audit.ts'
import { withRun, type RunRequest } from '../../../src/runs/run.ts'
import { openLedgerMarks } from '../../../src/state/ledger-marks.ts'
import { openVault } from '../../../src/vault/open-vault.ts'
import { commandContext } from '../../lab/command-context.ts'
import { never, temporaryDirectory } from '../vault/fixtures.ts'

const at = (hour: number) => new Date(Date.UTC(2026, 2, 3, hour))

async function lab() {
  const directory = await temporaryDirectory()
  const { path } = directory
  const config = join(path, 'hosts.yaml')
  await writeFile(
    config,
    'version: 1\nvault: ./vault\nencryption: { recipients: [k.asc] }\nhosts:\n  prod: { ssh: root@a }\n',
  )
  const context = commandContext(config, path, { now: () => at(12) })
  const vault = await openVault(join(path, 'vault'), {
    marks: openLedgerMarks(context.env),
    now: () => at(3),
  })
  const events: ProgressEvent[] = []
  const told = { vault, reporter: { event: (event: ProgressEvent) => void events.push(event) } }
  return {
    log: join(path, 'vault', 'audit.jsonl'),
    vault,
    told,
    warnings: () => events.flatMap((event) => (event.type === 'warning' ? [event.message] : [])),
    run: (operation: RunRequest['operation'], host: string, hour: number, more: Partial<RunRequest> = {}) =>
      withRun(
        { operation, host: { name: host }, locks: false, ...more },
        { ...told, now: () => at(hour) },
        never,
        () => Promise.resolve({ result: 'well', end: { outcome: 'done' as const } }),
      ),
    audit: (flags: Parameters<typeof audit>[2] = {}) => audit(context, [], flags),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}

const entries = (json: unknown) => (json as { entries: Record<string, unknown>[] }).entries

test('each run is an entry: who, what, on which host and snapshot; also one that died', async () => {
  await using one = await lab()
  await one.run('restore', 'prod', 1, { restores: 'prod/20260301T020000Z' })
  await one.run('pull', 'staging', 2, { only: { sources: ['db'] } })
  await one.run('verify', 'prod', 3, { dryRun: true })
  const dead = { run: 'r', at: at(3).toISOString(), operation: 'prune', host: 'prod' } as const
  const by = { user: 'eve', machine: 'elsewhere', pid: 1 }
  await writeFile(
    join(one.log, '..', 'prod', '.run-r'),
    JSON.stringify({ ...dead, by, trigger: 'schedule:nightly' }),
  )
  await one.run('prune', 'prod', 4)
  const { text, json } = await one.audit()
  expect(entries(json)).toMatchObject([
    { line: 1, action: 'restore', host: 'prod', restores: 'prod/20260301T020000Z', outcome: 'done' },
    { action: 'pull', host: 'staging', only: { sources: ['db'] }, by: { pid: process.pid } },
    { action: 'prune', outcome: 'lost', code: 'lost', by, trigger: 'schedule:nightly' },
    { action: 'prune', outcome: 'done' },
  ])
  expect(text).toMatch(/eve@elsewhere\[1\] +prune +prod +\(nightly\) +lost: lost$/m)
  expect(text).toMatch(/^2026-03-03 01:00 UTC .* restore +prod +prod\/20260301T020000Z +done$/m)
  expect(entries((await one.audit({ host: 'staging' })).json)).toHaveLength(1)
  expect(entries((await one.audit({ since: '9h' })).json)).toHaveLength(2)
  expect(entries((await one.audit({ since: '2026-03-03T04:00:00Z' })).json)).toHaveLength(1)
  await expect(one.audit({ since: 'yesterday' })).rejects.toMatchObject({ message: /not understood/ })
  expect(await one.audit({ verify: true })).toMatchObject({ exitCode: 0, json: { ok: true, entries: 4 } })
})

test('other recipients than before are noticed, and the same are not', async () => {
  await using one = await lab()
  for (const keys of [['A'], ['A'], ['B', 'A'], ['A', 'B'], []]) await auditRecipients(keys, at(1), one.told)
  const { text, json } = await one.audit()
  expect(entries(json).map(({ fingerprints, before }) => [before, fingerprints])).toEqual([
    [undefined, ['A']],
    [['A'], ['B', 'A']],
    [['B', 'A'], []],
  ])
  expect(text).toMatch(/recipients +B A → a passphrase +done$/m)
})

test('a line that was changed, removed or inserted is named, with exit 4', async () => {
  await using one = await lab()
  for (const hour of [1, 2, 3, 4]) await one.run('prune', 'prod', hour)
  const good = await readFile(one.log, 'utf8')
  const lines = good.split('\n')
  const broken = async (text: string) => {
    await writeFile(one.log, text)
    const { exitCode, json, text: said } = await one.audit({ verify: true })
    expect([exitCode, said.includes('audit.jsonl')]).toEqual([4, true])
    return (json as { problems: { line: number }[] }).problems.map(({ line }) => line)
  }
  expect(await broken(good.replace('T01:00', 'T01:01'))).toContain(2)
  expect(await broken(lines.filter((_, index) => index !== 1).join('\n'))).toContain(2)
  expect(await broken([lines[0], lines[0], ...lines.slice(1)].join('\n'))).toContain(2)
  // Only this computer knows that there was more.
  expect(await broken(`${lines.slice(0, 2).join('\n')}\n`)).toEqual([3])
  await one.run('prune', 'prod', 5)
  expect(await broken(await readFile(one.log, 'utf8'))).toEqual([4])
  expect(await broken('')).toEqual([1])
})

test('a last line that a crash cut off is none, and the next takes its place', async () => {
  await using one = await lab()
  await one.run('prune', 'prod', 1)
  await appendFile(one.log, '{"format":1,"at":"20')
  expect(await one.audit({ verify: true })).toMatchObject({ exitCode: 0, json: { entries: 1 } })
  await one.run('prune', 'prod', 2)
  expect(await one.audit({ verify: true })).toMatchObject({ exitCode: 0, json: { entries: 2 } })
  expect(one.warnings()).toEqual([])
})

test('many at once make one chain', async () => {
  await using one = await lab()
  await Promise.all(Array.from({ length: 12 }, (_, index) => one.run('prune', `h${index}`, 1)))
  expect(await one.audit({ verify: true })).toMatchObject({ exitCode: 0, json: { entries: 12 } })
  expect(one.warnings()).toEqual([])
})

test('a log that can not be written, or is none, keeps no run from its work', async () => {
  await using one = await lab()
  await mkdir(one.log)
  expect(await one.run('prune', 'prod', 1)).toBe('well')
  expect(one.warnings()).toEqual([expect.stringMatching(/^this run is not in the audit log: .*directory/)])
  expect(await one.vault.runs('prod')).toHaveLength(1)
  await expect(one.audit()).rejects.toMatchObject({ code: 'not-a-file' })
})

test('before the first run there is nothing, and nothing is made', async () => {
  await using one = await lab()
  expect(await one.audit()).toMatchObject({ exitCode: 0, text: 'Nothing is recorded.' })
  await truncate(one.log).catch(({ code }: NodeJS.ErrnoException) => expect(code).toBe('ENOENT'))
})
