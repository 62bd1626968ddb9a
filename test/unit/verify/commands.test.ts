import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { CommandContext } from '../../../src/commands/context.ts'
import { list, type ListedHost } from '../../../src/commands/list.ts'
import { prune } from '../../../src/commands/prune.ts'
import { show } from '../../../src/commands/show.ts'
import { verify } from '../../../src/commands/verify.ts'
import { UsageError } from '../../../src/errors.ts'
import type { Snapshot, Vault } from '../../../src/vault/contract.ts'
import { openVault } from '../../../src/vault/open-vault.ts'
import { resolveSnapshot } from '../../../src/vault/resolve-snapshot.ts'
import {
  fakeManifest,
  fakeSource,
  makeDays,
  makeSnapshot,
  never,
  temporaryDirectory,
  writeArchive,
} from '../vault/fixtures.ts'
import { commandContext } from '../../lab/command-context.ts'

const monday = new Date('2025-11-17T02:00:00Z')
const now = new Date('2025-11-22T02:00:00Z')

interface Lab extends AsyncDisposable {
  readonly vault: Vault
  readonly path: string
  readonly context: CommandContext
}

/** A config with the hosts prod and stage, keeping the last 2, and a vault that is not made yet. */
async function lab(): Promise<Omit<Lab, 'vault'>> {
  const directory = await temporaryDirectory()
  const path = join(directory.path, 'vault')
  const config = join(directory.path, 'hosts.yaml')
  await writeFile(
    config,
    `version: 1
vault: vault
encryption: { recipients: [backup.asc] }
retention: { last: 2 }
hosts:
  prod: { ssh: ubuntu@prod.example.com, deployment: ~/app }
  stage: { ssh: ubuntu@stage.example.com, deployment: ~/app }
`,
  )
  const context = commandContext(config, directory.path, { now: () => now })
  return { path, context, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() }
}

async function labWithDays(days: number): Promise<Lab & { readonly made: Snapshot[] }> {
  const bare = await lab()
  const vault = await openVault(bare.path)
  return { ...bare, vault, made: await makeDays(vault, 'prod', monday, days) }
}

describe('list', () => {
  test('a vault that is not there yet is no error and is not made', async () => {
    await using bare = await lab()
    const outcome = await list(bare.context, [])
    expect(outcome.exitCode).toBe(0)
    expect(outcome.text).toMatch(/^No snapshots in .* yet\. Make the first with: relay-backup pull$/)
    await expect(readFile(join(bare.path, 'vault.json'))).rejects.toThrow('ENOENT')
  })

  test('shows age, state, size, sources, the latest one, totals, and hides retired ones', async () => {
    await using made = await labWithDays(3)
    {
      await using lock = await made.vault.lock('prod')
      await made.vault.retire(lock, made.made[0] as Snapshot, 'test', now)
      await makeSnapshot(made.vault, lock, new Date('2025-11-20T02:00:00Z'), { complete: false })
    }
    const outcome = await list(made.context, [])
    expect(outcome.text.split('\n')).toEqual([
      'snapshot                  age  purpose  state       holds  in vault  sources',
      'prod/20251118T020000Z  4d ago  pull     complete  3.9 KiB    1000 B  logs',
      'prod/20251119T020000Z  3d ago  pull     complete  3.9 KiB    1000 B  logs     latest',
      'prod/20251120T020000Z  2d ago  pull     partial   3.9 KiB    1000 B  logs',
      '',
      '3 snapshots of 1 host, 3.9 KiB in the vault',
      '1000 B of that are in 1 retired snapshot: retention dropped it, and newer ones build on it (see: relay-backup list --all)',
    ])
    const [host] = (outcome.json as { hosts: ListedHost[] }).hosts
    expect(host?.snapshots.map(({ latest }) => latest)).toEqual([false, true, false])
    expect(host?.bytes).toBe(4000)
  })

  test('--all shows what retention dropped and who builds on it; each number counts what it says', async () => {
    await using made = await labWithDays(1)
    const { vault, context } = made
    const parent = made.made[0]?.id ?? ''
    for (const day of ['18', '19']) {
      await using lock = await vault.lock('prod')
      await using pending = await vault.begin(lock, () => new Date(`2025-11-${day}T02:00:00Z`), never)
      const source = fakeSource('logs', [await writeArchive(pending, 'logs.tar.zst.gpg', Buffer.alloc(100))])
      const facts = { ...source.facts, bytes: 9000 } as typeof source.facts
      await pending.commit(
        fakeManifest(pending, [{ ...source, facts, mode: 'incremental', parents: [parent] }]),
      )
    }
    await makeDays(vault, 'stage', monday, 1)
    expect((await prune(context, ['prod'], {})).text).toContain('2 snapshots stay')
    const shown = [
      'prod/20251118T020000Z  4d ago  pull  complete  8.8 KiB  100 B  logs',
      'prod/20251119T020000Z  3d ago  pull  complete  8.8 KiB  100 B  logs  latest',
      'stage/20251117T020000Z  5d ago  pull  complete  3.9 KiB  1000 B  logs  latest',
    ]
    const narrow = (line: string) => line.replaceAll(/ {2,}/g, '  ')
    const lines = async (args: string[], flags = {}) =>
      (await list(context, args, flags)).text.split('\n').map(narrow)
    const dropped =
      '1000 B of that are in 1 retired snapshot: retention dropped it, and newer ones build on it'
    expect((await lines([])).slice(1)).toEqual([
      ...shown,
      '',
      '3 snapshots of 2 hosts, 2.1 KiB in the vault',
      `${dropped} (see: relay-backup list --all)`,
    ])
    expect((await lines([], { all: true })).slice(1)).toEqual([
      `prod/${parent}  5d ago  pull  complete, retired, needed by 20251119T020000Z and 1 more  3.9 KiB  1000 B  logs`,
      ...shown,
      '',
      '4 snapshots of 2 hosts, 2.1 KiB in the vault',
      dropped,
    ])
    expect((await list(context, ['prod'], { all: true })).json).toMatchObject({
      hosts: [
        {
          bytes: 1200,
          retired: { snapshots: 1, bytes: 1000 },
          snapshots: [
            {
              size: 4000,
              bytes: 1000,
              retired: true,
              latest: false,
              neededBy: ['20251118T020000Z', '20251119T020000Z'],
            },
            { size: 9000, bytes: 100, retired: false, neededBy: [] },
            { size: 9000, bytes: 100, latest: true },
          ],
        },
      ],
    })
  })

  test('damage that was found is told by list and show until it is mended', async () => {
    await using made = await labWithDays(2)
    const [snapshot] = made.made
    if (!snapshot) throw new Error('no snapshot')
    const file = made.vault.filePath(snapshot, 'logs.tar.zst.gpg')
    const good = await readFile(file)
    await writeFile(file, Buffer.alloc(good.length))
    expect((await verify(made.context, ['prod'], {})).exitCode).toBe(4)
    expect((await list(made.context, [])).text).toMatch(/20251117T020000Z .* complete, damaged /)
    expect((await show(made.context, [snapshot.id])).text).toMatch(/damaged +logs.tar.zst.gpg: The content/)
    await writeFile(file, good)
    expect((await verify(made.context, ['prod'], {})).exitCode).toBe(0)
    expect((await list(made.context, [])).text).not.toContain('damaged')
  })

  test('a lost file pauses rotation with the command that gives it up; verify still tells it', async () => {
    await using made = await labWithDays(4)
    const lost = made.made[2]?.id ?? ''
    await rm(join(made.path, 'prod', lost, 'logs.tar.zst.gpg'))
    const waits = await prune(made.context, ['prod'], {})
    expect(waits.exitCode).toBe(1)
    expect(waits.text).toContain(`relay-backup prune prod --accept-loss ${lost}`)
    // A person's word for the whole of it is not enough: what is lost must be named.
    expect((await prune(made.context, ['prod'], { accept: true })).exitCode).toBe(1)
    for (const [args, flags] of [
      [[], { acceptLoss: [lost] }],
      [['prod'], { acceptLoss: [lost], dryRun: true }],
    ] as const) {
      await expect(prune(made.context, args, flags)).rejects.toThrow(UsageError)
    }
    const whole = await prune(made.context, ['prod'], { acceptLoss: [made.made[3]?.id ?? ''] })
    expect(whole).toMatchObject({
      exitCode: 1,
      text: expect.stringContaining('No damage is known') as string,
    })

    const goes = await prune(made.context, ['prod'], { acceptLoss: [`prod/${lost}`] })
    expect(goes.exitCode).toBe(0)
    expect(goes.text).toContain('1 removed')
    const verified = await verify(made.context, ['prod'], {})
    expect(verified.exitCode).toBe(4)
    expect(verified.text).toContain('The file is gone')
    expect((await list(made.context, [])).text).toMatch(new RegExp(`${lost} .* complete, damaged, given up `))
  })

  test('an unknown host is a usage error with a suggestion', async () => {
    await using made = await labWithDays(1)
    await expect(list(made.context, ['prid'])).rejects.toMatchObject({
      code: 'usage',
      details: { next: 'Did you mean "prod"? Hosts in the vault: prod' },
    })
  })

  test('hosts that are no longer configured are listed', async () => {
    await using made = await labWithDays(1)
    await makeDays(made.vault, 'old-one', monday, 1)
    expect((await list(made.context, ['old-one'])).text).toContain('old-one/20251117T020000Z')
  })
})

describe('resolveSnapshot', () => {
  test('latest, one before it, an id, a host, with and without the host', async () => {
    await using made = await labWithDays(3)
    {
      await using lock = await made.vault.lock('prod')
      await makeSnapshot(made.vault, lock, new Date('2025-11-21T02:00:00Z'), { complete: false })
      await makeSnapshot(made.vault, lock, new Date('2025-11-21T03:00:00Z'), { purpose: 'safety' })
    }
    const id = async (text: string) => (await resolveSnapshot(made.vault, text)).id
    for (const text of ['prod/latest', 'latest', 'prod', 'prod/latest~0']) {
      expect(await id(text), text).toBe('20251119T020000Z')
    }
    expect(await id('latest~2')).toBe('20251117T020000Z')
    expect(await id('prod/20251121T030000Z')).toBe('20251121T030000Z')
    expect(await id('20251121T020000Z')).toBe('20251121T020000Z')
    await expect(id('latest~3')).rejects.toThrow('prod has only 3 complete')
    await expect(id('prod/20251119T020001Z')).rejects.toMatchObject({
      details: { next: expect.stringContaining('Did you mean "20251119T020000Z"?') as string },
    })
    await makeDays(made.vault, 'stage', monday, 1)
    await expect(id('latest')).rejects.toThrow(UsageError)
    expect(await id('stage/latest')).toBe('20251117T020000Z')
  })
})

describe('show', () => {
  test('tells what the manifest says', async () => {
    await using made = await labWithDays(1)
    const { text, json } = await show(made.context, ['prod/latest'])
    for (const part of [
      'prod/20251117T020000Z',
      '(5d ago)',
      'Debian GNU/Linux 12 (x86_64)',
      'logs: files, full, 2 files, 1 directory, 3.9 KiB',
      'logs.tar.zst.gpg',
      'encrypted to AB12',
    ]) {
      expect(text).toContain(part)
    }
    expect(json).toMatchObject({ snapshot: 'prod/20251117T020000Z', manifest: made.made[0]?.manifest })
  })
})

describe('verify', () => {
  test('a good vault is 0', async () => {
    await using made = await labWithDays(2)
    const outcome = await verify(made.context, [], {})
    expect(outcome.exitCode).toBe(0)
    expect(outcome.text).toBe('prod: 2 snapshots, 2.0 KiB read, all as recorded')
  })

  test('a vault that lost its last snapshot and its last ledger line is 4, and prune --accept goes on', async () => {
    await using made = await labWithDays(2)
    const [first, last] = made.made
    if (!first || !last) throw new Error('no snapshot')
    await prune(made.context, [], {})
    const host = join(made.path, 'prod')
    await rm(join(host, last.id), { recursive: true })
    const [line] = (await readFile(join(host, 'ledger.jsonl'), 'utf8')).split('\n')
    await writeFile(join(host, 'ledger.jsonl'), `${line}\n`)
    const outcome = await verify(made.context, [], {})
    expect(outcome.exitCode).toBe(4)
    expect(outcome.text).toMatch(/prod\/ledger.jsonl: The ledger lacks lines .*\n +Next: .*prune --accept/)
    const paused = await prune(made.context, [], {})
    expect(paused.exitCode).toBe(1)
    expect(paused.text).toMatch(/nothing was removed: the vault was set back.*\nNext: .*prune prod --accept/)
    expect((await prune(made.context, [], { accept: true })).exitCode).toBe(0)
    expect((await verify(made.context, [], {})).exitCode).toBe(0)
  })

  const damages: readonly [string, string, (dir: string, snapshot: Snapshot) => Promise<void>][] = [
    [
      'a flipped bit',
      'hash-differs',
      async (dir, { id }) => {
        const file = join(dir, id, 'logs.tar.zst.gpg')
        const bytes = await readFile(file)
        bytes[999] = (bytes[999] ?? 0) ^ 0x80
        await writeFile(file, bytes)
      },
    ],
    ['a missing file', 'missing-file', (dir, { id }) => rm(join(dir, id, 'logs.tar.zst.gpg'))],
    [
      'an edited ledger line',
      'ledger-broken',
      async (dir) => {
        const file = join(dir, 'ledger.jsonl')
        await writeFile(file, (await readFile(file, 'utf8')).replace('"complete":true', '"complete":false'))
      },
    ],
    ['a deleted snapshot', 'missing-snapshot', (dir, { id }) => rm(join(dir, id), { recursive: true })],
  ]
  test.each(damages)('%s is damage, with a next step', async (_what, code, damage) => {
    await using made = await labWithDays(2)
    const [snapshot] = made.made
    if (!snapshot) throw new Error('no snapshot')
    await damage(join(made.path, 'prod'), snapshot)
    for (const [args, flags] of [
      [[], {}],
      [[`prod/${snapshot.id}`], {}],
      [[], { all: true }],
    ] as const) {
      const outcome = await verify(made.context, args, flags)
      expect(outcome.exitCode).toBe(4)
      expect(outcome.text).toContain('Next: ')
      expect(outcome.json).toMatchObject({ ok: false, hosts: [{ problems: [{ code }] }] })
    }
    if (code !== 'ledger-broken') expect((await verify(made.context, ['latest'], {})).exitCode).toBe(0)
  })

  test('only what was asked for is read', async () => {
    await using made = await labWithDays(3)
    const outcome = await verify(made.context, ['prod/latest', 'latest~1', 'prod/latest'], {})
    expect(outcome.json).toMatchObject({ hosts: [{ snapshots: 2, bytes: 2000 }] })
  })
})

describe('prune', () => {
  test('a dry run says why and changes nothing; while another run holds the lock it ends as that run would', async () => {
    await using made = await labWithDays(3)
    const locked = await made.vault.lock('prod')
    expect((await prune(made.context, [], { dryRun: true })).exitCode).toBe(5)
    await locked[Symbol.asyncDispose]()
    const outcome = await prune(made.context, [], { dryRun: true })
    expect(outcome.exitCode).toBe(0)
    expect(outcome.text.split('\n')).toEqual([
      'snapshot               action  why',
      'prod/20251117T020000Z  remove  outside of last 2',
      'prod/20251118T020000Z  keep    last 2 of 2',
      'prod/20251119T020000Z  keep    last 1 of 2',
      '',
      'prod: 2 snapshots would stay (2 by last 2), 1 would be removed',
    ])
    expect(await made.vault.snapshots('prod')).toHaveLength(3)
    expect(await made.vault.runs('prod')).toEqual([])
  })

  test('removes, records the run, and leaves a vault that verifies', async () => {
    await using made = await labWithDays(4)
    expect((await prune(made.context, ['prod'], {})).exitCode).toBe(0)
    expect(await made.vault.snapshots('prod')).toHaveLength(2)
    expect(await made.vault.runs('prod')).toMatchObject([{ operation: 'prune', outcome: 'done' }])
    expect((await verify(made.context, [], {})).exitCode).toBe(0)
  })

  test('a held lock is 5', async () => {
    await using made = await labWithDays(3)
    await using _lock = await made.vault.lock('prod')
    const outcome = await prune(made.context, [], {})
    expect(outcome.exitCode).toBe(5)
    expect(outcome.text).toContain('prod is locked by')
    expect(await made.vault.snapshots('prod')).toHaveLength(3)
  })

  test('while rotation is paused nothing goes, until it is accepted', async () => {
    await using made = await labWithDays(3)
    {
      await using lock = await made.vault.lock('prod')
      await made.vault.pauseRotation(lock, '20251119T020000Z', 'logs is gone', now)
    }
    const paused = await prune(made.context, [], {})
    expect(paused.exitCode).toBe(1)
    expect(paused.text).toContain('prune prod --accept')
    expect(await made.vault.snapshots('prod')).toHaveLength(3)
    // What refuses one flag leaves the other unwritten, too.
    const slip = { accept: true, acceptLoss: [made.made[2]?.id ?? ''] }
    expect((await prune(made.context, ['prod'], slip)).text).toContain('No damage is known')
    expect(await made.vault.rotationPaused('prod')).toBe('logs is gone')
    expect((await prune(made.context, [], { accept: true })).exitCode).toBe(0)
    expect(await made.vault.snapshots('prod')).toHaveLength(2)
  })

  test('nothing is deleted while a snapshot that is to stay is not whole', async () => {
    await using made = await labWithDays(3)
    await rm(made.vault.filePath(made.made[2] as Snapshot, 'logs.tar.zst.gpg'))
    const outcome = await prune(made.context, [], { accept: true })
    expect(outcome.exitCode).toBe(1)
    expect(outcome.text).toContain('prove it with: relay-backup verify prod')
    expect(await made.vault.snapshots('prod')).toHaveLength(3)
  })

  test('a host that is no longer configured is pruned by the global policy', async () => {
    await using made = await labWithDays(1)
    await makeDays(made.vault, 'old-one', monday, 3)
    expect((await prune(made.context, ['old-one'], {})).exitCode).toBe(0)
    expect(await made.vault.snapshots('old-one')).toHaveLength(2)
  })
})
