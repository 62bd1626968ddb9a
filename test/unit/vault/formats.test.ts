import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { CommandContext } from '../../../src/commands/context.ts'
import { list } from '../../../src/commands/list.ts'
import { prune } from '../../../src/commands/prune.ts'
import { pull } from '../../../src/commands/pull.ts'
import { restore } from '../../../src/commands/restore.ts'
import { show } from '../../../src/commands/show.ts'
import { verify } from '../../../src/commands/verify.ts'
import { openVault } from '../../../src/vault/open-vault.ts'
import { makeDays, makeSnapshot, never, temporaryDirectory, temporaryVault } from './fixtures.ts'
import { commandContext } from '../../lab/command-context.ts'

const monday = new Date('2025-11-17T02:00:00Z')
const FIXTURES = fileURLToPath(new URL('../../fixtures', import.meta.url))

/** Everything that reads a vault, by name. */
const COMMANDS: Readonly<Record<string, (context: CommandContext) => Promise<unknown>>> = {
  list: (context) => list(context, []),
  show: (context) => show(context, ['sample/latest']),
  verify: (context) => verify(context, [], { all: true }),
  prune: (context) => prune(context, [], { dryRun: true }),
  'pull --dry-run': (context) => pull(context, ['sample'], { dryRun: true, rotate: true }),
  pull: (context) => pull(context, ['sample'], { rotate: true }),
  restore: (context) =>
    restore(context, ['sample/latest'], {
      host: 'sample',
      strategy: 'replace',
      dryRun: true,
      start: true,
      safety: true,
    }),
}

async function labOf(vault: string, key: string) {
  const directory = await temporaryDirectory()
  const config = join(directory.path, 'hosts.yaml')
  await writeFile(
    config,
    `version: 1
vault: ${vault}
encryption: { recipients: [${key}] }
hosts:
  sample: { ssh: ubuntu@127.0.0.1:1, deployment: ~/app }
`,
  )
  const context = commandContext(config, directory.path, { now: () => new Date('2027-01-01T00:00:00Z') })
  return { context, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() }
}

test.each(Object.keys(COMMANDS))('%s refuses a vault of format 1 and says what to do', async (name) => {
  await using directory = await temporaryDirectory()
  const vault = join(directory.path, 'vault')
  await cp(join(FIXTURES, 'vault-1', 'vault'), vault, { recursive: true })
  await using lab = await labOf(vault, join(FIXTURES, 'vault-1', 'backup.pub.asc'))
  await expect(COMMANDS[name]?.(lab.context)).rejects.toMatchObject({
    code: 'older-format',
    message: `The vault ${vault} has format 1; this version reads format 2`,
    details: { next: expect.stringContaining('gpg -d A.tar.zst.gpg | zstd -d | tar -x') as string },
  })
})

test.each(Object.keys(COMMANDS))('%s refuses a vault of a newer format', async (name) => {
  await using made = await temporaryVault()
  await makeDays(made.vault, 'sample', monday, 1)
  const file = join(made.path, 'vault.json')
  await writeFile(file, (await readFile(file, 'utf8')).replace('"format": 2', '"format": 3'))
  await using lab = await labOf(made.path, join(FIXTURES, 'vault-1', 'backup.pub.asc'))
  await expect(COMMANDS[name]?.(lab.context)).rejects.toMatchObject({
    code: 'newer-format',
    message: `The vault ${made.path} has format 3; this version reads format 2`,
    details: { next: 'Install the newer version of relay-backup that made it.' },
  })
})

const READERS: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  snapshots: async (path) => (await openVault(path)).snapshots('prod'),
  check: async (path) => (await openVault(path)).check('prod', { hashes: true, signal: never }),
  'the next snapshot': async (path) => {
    const vault = await openVault(path)
    await using lock = await vault.lock('prod')
    return await makeSnapshot(vault, lock, new Date('2026-01-01T00:00:00Z'))
  },
}

test.each(Object.keys(READERS))('%s: a ledger line of a newer format is not skipped', async (name) => {
  await using made = await temporaryVault()
  await makeDays(made.vault, 'prod', monday, 1)
  const file = join(made.path, 'prod', 'ledger.jsonl')
  const [line] = (await readFile(file, 'utf8')).split('\n')
  await writeFile(file, `${line}\n{"format":3,"event":"undone","previous":null}\n`)
  await expect(READERS[name]?.(made.path)).rejects.toMatchObject({
    code: 'newer-format',
    message: 'Line 2 of the ledger has format 3; this version reads format 2',
  })
})

test.each(['snapshots', 'check'])('%s: a manifest of a newer format is no damage', async (name) => {
  await using made = await temporaryVault()
  const [snapshot] = await makeDays(made.vault, 'prod', monday, 1)
  const file = join(made.path, 'prod', snapshot?.id ?? '', 'manifest.json')
  await writeFile(file, (await readFile(file, 'utf8')).replace('"format": 2', '"format": 3'))
  await expect(READERS[name]?.(made.path)).rejects.toMatchObject({ code: 'newer-format' })
  expect(await readFile(join(made.path, 'prod', 'damage.jsonl'), 'utf8').catch(() => '')).toBe('')
})
