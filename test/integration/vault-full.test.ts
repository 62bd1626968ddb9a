import { open, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { prune } from '../../src/commands/prune.ts'
import { errorCode } from '../../src/vault/durable.ts'
import { openVault } from '../../src/vault/open-vault.ts'
import type { Vault } from '../../src/vault/contract.ts'
import { tempDir } from '../lab/temp.ts'
import { mountTmpfs } from '../lab/tmpfs.ts'
import { makeSnapshot, never } from '../unit/vault/fixtures.ts'
import { commandContext } from '../lab/command-context.ts'

const monday = new Date('2025-11-17T02:00:00Z')
const DAY = 86_400_000

/** A vault of four days on a small disk, and a config that keeps as much as `retention` says. */
async function fullVault(retention: string) {
  await using starting = new AsyncDisposableStack()
  const temp = starting.use(await tempDir())
  const disk = starting.use(await mountTmpfs(join(temp.path, 'disk'), '1m'))
  const config = join(temp.path, 'hosts.yaml')
  await writeFile(
    config,
    `version: 1
vault: ${join(disk.path, 'vault')}
encryption: { recipients: [backup.asc] }
hosts:
  prod:
    ssh: ubuntu@prod.example.com
    deployment: ~/app
    ${retention}
`,
  )
  const vault = await openVault(join(disk.path, 'vault'))
  {
    await using lock = await vault.lock('prod')
    for (let day = 0; day < 4; day += 1) {
      await makeSnapshot(vault, lock, new Date(monday.getTime() + day * DAY), { sources: ['data', 'logs'] })
    }
  }
  const context = commandContext(config, temp.path, { now: () => new Date(monday.getTime() + 5 * DAY) })
  const stack = starting.move()
  return {
    vault,
    hostDir: join(disk.path, 'vault/prod'),
    context,
    /** Writes until not a single byte fits any more. */
    fill: async (name = 'ballast') => {
      await using file = await open(join(disk.path, name), 'w')
      for (const size of [65_536, 4096, 1]) {
        for (let isFull = false; !isFull;) {
          await file.appendFile(Buffer.alloc(size)).catch((error: unknown) => {
            if (errorCode(error) !== 'ENOSPC') throw error
            isFull = true
          })
        }
      }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** The file system gives a file whole pages: until the ledger's last one is full there is room for lines. */
async function fillLedgerPage(vault: Vault, hostDir: string): Promise<void> {
  await using lock = await vault.lock('prod')
  const size = async () => (await stat(join(hostDir, 'ledger.jsonl'))).size
  const before = await size()
  await vault.acceptRotation(lock, '', monday)
  const line = (await size()) - before
  await vault.acceptRotation(lock, 'x'.repeat(2 * 4096 - ((await size()) % 4096) - line), monday)
  expect((await size()) % 4096).toBe(0)
}

// Only root may mount.
describe.skipIf(process.getuid?.() !== 0)('a full vault', () => {
  const good = (vault: Vault) => vault.check('prod', { hashes: true, signal: never })

  test('is pruned out of the room that is kept for it', async () => {
    await using full = await fullVault('retention: { last: 2 }')
    await full.fill()
    const outcome = await prune(full.context, [], {})
    expect(outcome.exitCode, outcome.text).toBe(0)
    expect(await full.vault.snapshots('prod')).toHaveLength(2)
    expect(await good(full.vault)).toEqual([])
  })

  test('is pruned without any room at all: the first that goes makes it', async () => {
    await using full = await fullVault('retention: { last: 1 }')
    await fillLedgerPage(full.vault, full.hostDir)
    await rm(join(full.hostDir, '.reserve'))
    await full.fill()
    const outcome = await prune(full.context, [], {})
    expect(outcome.exitCode, outcome.text).toBe(0)
    expect(await full.vault.snapshots('prod')).toHaveLength(1)
    expect(await good(full.vault)).toEqual([])
    const removed = (await full.vault.ledger('prod')).filter(({ event }) => event === 'removed')
    expect(removed).toHaveLength(3)
  })

  test('of which only single archives are to go is pruned, again and again', async () => {
    await using full = await fullVault(
      'retention: { last: 9 }\n    sources: { logs: { kind: files, path: logs, retention: { last: 1 } }, data: { kind: files, path: data } }',
    )
    await fillLedgerPage(full.vault, full.hostDir)
    await full.fill()
    expect((await prune(full.context, [], {})).exitCode).toBe(0)
    expect(await good(full.vault)).toEqual([])
    await full.fill('more')
    expect((await prune(full.context, [], {})).exitCode).toBe(0)
    expect(await full.vault.snapshots('prod')).toHaveLength(4)
  })

  test('a removal that ended before its line was written is no damage, and the next run writes the line', async () => {
    await using full = await fullVault('retention: { last: 9 }')
    const [first] = await full.vault.snapshots('prod')
    const removing = join(full.hostDir, `.removing-${first?.id}`)
    await rename(join(full.hostDir, first?.id ?? ''), removing)
    expect(await good(full.vault)).toEqual([])
    await using _lock = await full.vault.lock('prod')
    expect((await full.vault.ledger('prod')).at(-1)).toMatchObject({ event: 'removed', snapshot: first?.id })
    expect(await good(full.vault)).toEqual([])
  })
})
