import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { endedRun } from '../../lab/ended-run.ts'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import type { CommandContext } from '../../../src/commands/context.ts'
import { hostsByName } from '../../../src/commands/hosts-by-name.ts'
import { list } from '../../../src/commands/list.ts'
import { prune } from '../../../src/commands/prune.ts'
import { rotateHost } from '../../../src/prune/rotate.ts'
import { setBackFinding } from '../../../src/pull/set-back.ts'
import { openLedgerMarks } from '../../../src/state/ledger-marks.ts'
import type { Vault } from '../../../src/vault/contract.ts'
import { openVault } from '../../../src/vault/open-vault.ts'
import { verifyVault } from '../../../src/verify/verify-vault.ts'
import { makeDays, makeSnapshot, never, temporaryDirectory } from './fixtures.ts'

const DAY = 86_400_000
const monday = new Date('2025-11-17T02:00:00Z')
const retention = { name: 'prod', retention: { last: 1, safety: DAY }, sources: [] }

async function labWithDays(days: number) {
  const directory = await temporaryDirectory()
  const path = join(directory.path, 'vault')
  const marks = openLedgerMarks({ XDG_STATE_HOME: join(directory.path, 'state') })
  const open = () => openVault(path, { marks })
  const made = await makeDays(await open(), 'prod', monday, days)
  return {
    directory: directory.path,
    path,
    open,
    vault: await open(),
    made,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}

async function contextOf(lab: {
  readonly directory: string
  readonly path: string
}): Promise<CommandContext> {
  await writeFile(
    join(lab.directory, 'hosts.yaml'),
    `version: 1\nvault: ${lab.path}\nencryption: { recipients: [a.asc], identity: b.asc }\nretention: { last: 1 }\nhosts: { prod: { ssh: me@prod.example.com } }\n`,
  )
  return {
    globals: { config: join(lab.directory, 'hosts.yaml') },
    env: { XDG_STATE_HOME: join(lab.directory, 'state') },
    cwd: lab.directory,
    now: () => monday,
    color: false,
    signal: never,
    progress: { mode: 'quiet', stream: process.stderr, color: false },
  } as unknown as CommandContext
}

async function told(vault: Vault): Promise<(string | undefined)[]> {
  const report = await verifyVault(vault, [{ host: 'prod' }], {
    reporter: { event: () => {} },
    now: () => new Date(),
    signal: never,
  })
  return report.hosts.flatMap(({ problems }) =>
    problems.map(({ code, file }) => (code === 'set-back' ? file : code)),
  )
}

const dropLastLine = (path: string, file: string): Promise<void> =>
  dropLines(path, file, (_line, at, lines) => at === lines.length - 1)

async function dropLines(
  path: string,
  file: string,
  isDropped: (line: string, at: number, lines: readonly string[]) => boolean,
): Promise<void> {
  const lines = (await readFile(join(path, 'prod', file), 'utf8')).trimEnd().split('\n')
  const left = lines.filter((line, at) => !isDropped(line, at, lines))
  await writeFile(join(path, 'prod', file), left.map((line) => `${line}\n`).join(''))
}

const run = (snapshot: string) => endedRun(monday, { snapshot })

test('a vault set back to an older copy as a whole is noticed by what this computer remembers', async () => {
  await using lab = await labWithDays(2)
  const old = join(lab.directory, 'old')
  await cp(lab.path, old, { recursive: true, preserveTimestamps: true })
  await makeDays(lab.vault, 'prod', new Date(monday.getTime() + 2 * DAY), 1)
  expect(await told(lab.vault)).toEqual([])
  // The copy is older than the vault, and right as it is.
  expect(await told(await openVault(old))).toEqual([])

  await rm(lab.path, { recursive: true })
  await rename(old, lab.path)
  const vault = await lab.open()
  expect(await told(vault)).toEqual(['ledger.jsonl'])
  // A pull does not make it good, and nothing is removed.
  await makeDays(vault, 'prod', new Date(monday.getTime() + 3 * DAY), 1)
  expect(await told(await lab.open())).toEqual(['ledger.jsonl'])
  {
    await using lock = await vault.lock('prod')
    const { paused } = await rotateHost(vault, lock, retention, new Date(monday.getTime() + 4 * DAY), {
      dryRun: false,
    })
    expect(paused).toContain('set back')
    expect(await vault.snapshots('prod')).toHaveLength(3)
    // Until a person says that it is right.
    await vault.acceptLoss(lock, 'test', monday)
  }
  expect(await told(await lab.open())).toEqual([])
})

test('what this computer remembers and can not read keeps nobody in the belief that all is well; a pull warns and goes on', async () => {
  await using lab = await labWithDays(1)
  const marks = join(lab.directory, 'state/relay-backup/ledgers')
  const names = await readdir(marks, { recursive: true })
  const mark = join(marks, names.find((name) => name.endsWith('prod.json')) ?? '')
  await rm(mark)
  // Even root can't read a directory as a file.
  await mkdir(mark)
  await expect(told(lab.vault)).rejects.toMatchObject({ code: 'marks-unreadable' })
  expect(await setBackFinding(lab.vault, 'prod')).toMatchObject({
    outcome: 'warning',
    message: expect.stringContaining('nobody knows whether the vault was set back') as string,
    next: `Make it readable for you: ls -ld ${mark}`,
  })
})

test('marks that can not be read at all end what trusts them, and list warns and lists what there is', async () => {
  await using lab = await labWithDays(1)
  const marks = join(lab.directory, 'state/relay-backup/ledgers')
  const names = await readdir(marks, { recursive: true })
  const directory = dirname(join(marks, names.find((name) => name.endsWith('prod.json')) ?? ''))
  await rm(directory, { recursive: true })
  // Even root can't list a file as a directory.
  await writeFile(directory, '')
  await expect(lab.vault.hosts()).rejects.toMatchObject({ code: 'marks-unreadable' })
  await expect(told(lab.vault)).rejects.toMatchObject({ code: 'marks-unreadable' })

  const context = await contextOf(lab)
  for (const args of [[], ['prod']]) {
    const { exitCode, text, json } = await list(context, args)
    expect(exitCode).toBe(0)
    expect(text).toContain(`prod/${lab.made[0]?.id}`)
    expect(text).toContain("warning: What this computer remembers of the vault can't be read")
    expect(text).toContain(`Next: Make it readable for you: ls -ld ${directory}`)
    expect(json).toMatchObject({
      hosts: [{ host: 'prod' }],
      warning: { next: `Make it readable for you: ls -ld ${directory}` },
    })
  }
})

test('prune and key rotate know the hosts of the vault where marks can not be read, and prune removes nothing that a mark must confirm', async () => {
  await using lab = await labWithDays(3)
  const marks = join(lab.directory, 'state/relay-backup/ledgers')
  const names = await readdir(marks, { recursive: true })
  const directory = dirname(join(marks, names.find((name) => name.endsWith('prod.json')) ?? ''))
  await rm(directory, { recursive: true })
  await writeFile(directory, '')
  for (const args of [[], ['prod']]) {
    expect(await hostsByName(lab.vault, args)).toMatchObject({
      hosts: ['prod'],
      warning: { check: 'marks-unreadable' },
    })
    const { exitCode, text, json } = await prune(await contextOf(lab), args, {})
    expect(exitCode).toBe(1)
    expect(text).toContain(directory)
    expect(json).toMatchObject({ hosts: [{ host: 'prod' }], warnings: [{ check: 'marks-unreadable' }] })
  }
  await expect(hostsByName(lab.vault, ['prdo'])).rejects.toMatchObject({ code: 'usage' })
  expect(await (await openVault(lab.path)).snapshots('prod')).toHaveLength(3)
})

test('a snapshot taken away together with its line is noticed by the history, and when that was cut, too, by the mark', async () => {
  await using lab = await labWithDays(2)
  const last = lab.made[1]?.id ?? ''
  await lab.vault.recordRun(run(lab.made[0]?.id ?? ''))
  await lab.vault.recordRun(run(last))
  expect(await told(lab.vault)).toEqual([])
  await rm(join(lab.path, 'prod', last), { recursive: true })
  await dropLastLine(lab.path, 'ledger.jsonl')
  expect(await told(lab.vault)).toEqual(['ledger.jsonl', 'runs.jsonl'])
  // Another computer has no mark.
  expect(await told(await openVault(lab.path))).toEqual(['runs.jsonl'])
  await dropLines(lab.path, 'runs.jsonl', (line) => line.includes(last))
  expect(await told(lab.vault)).toEqual(['ledger.jsonl'])
})

test('a removal that the ledger has forgotten is noticed, and all of it can be accepted at once', async () => {
  await using lab = await labWithDays(3)
  const [first, second, third] = lab.made
  if (first === undefined || second === undefined || third === undefined) throw new Error('no snapshot')
  {
    await using lock = await lab.vault.lock('prod')
    await lab.vault.remove(lock, first, 'test', monday)
  }
  await lab.vault.recordRun(run('20251120T020000Z'))
  await dropLastLine(lab.path, 'ledger.jsonl')
  const vault = await openVault(lab.path)
  expect(await told(vault)).toEqual(['runs.jsonl', `removed/${first.id}.json`, 'missing-snapshot'])
  await using lock = await vault.lock('prod')
  await vault.acceptLoss(lock, 'test', monday)
  expect(await told(vault)).toEqual([])
  await makeSnapshot(vault, lock, new Date(monday.getTime() + 9 * DAY))
  expect(await vault.contradictions('prod')).toEqual([])
})

test('a host whose whole directory is gone is still told of, until a person accepts it', async () => {
  await using lab = await labWithDays(2)
  await rm(join(lab.path, 'prod'), { recursive: true })
  expect(await (await openVault(lab.path)).hosts()).toEqual([])
  const vault = await lab.open()
  expect(await vault.hosts()).toEqual(['prod'])
  expect(await told(vault)).toEqual(['ledger.jsonl'])
  {
    await using lock = await vault.lock('prod')
    await vault.acceptLoss(lock, 'lost', new Date(monday.getTime() + 4 * DAY))
  }
  expect(await told(await lab.open())).toEqual([])
})
