import { mkdir, appendFile, chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { CommandContext, CommandOutcome } from '../../../src/commands/context.ts'
import { notifyTest } from '../../../src/commands/notify-test.ts'
import { pull } from '../../../src/commands/pull.ts'
import { status } from '../../../src/commands/status.ts'
import { verify } from '../../../src/commands/verify.ts'
import { openVault } from '../../../src/vault/open-vault.ts'
import { commandContext } from '../../lab/command-context.ts'
import { makeDays, temporaryDirectory } from '../vault/fixtures.ts'

/** Then the newest backup but one is not yet overdue. */
const BEFORE_OVERDUE = '2026-03-03T02:30:00Z'

/** A config whose channel adds each message to a file, and a vault with three good days of `prod`. */
async function lab(more = '') {
  const directory = await temporaryDirectory()
  const { path } = directory
  const config = join(path, 'hosts.yaml')
  const told = join(path, 'told')
  await writeFile(
    config,
    `version: 1
vault: ./vault
encryption: { recipients: [k.asc] }
notify:
  - command: cat >>'${told}'
    on: [failure, overdue, verify-failed, recovered, disk]
${more}hosts:
  prod: { ssh: root@127.0.0.1 }
`,
  )
  await writeFile(told, '')
  let now = new Date('2026-03-03T12:00:00Z')
  const context: CommandContext = commandContext(config, path, { now: () => now })
  const vault = await openVault(join(path, 'vault'))
  const [, , last] = await makeDays(vault, 'prod', new Date('2026-03-01T02:00:00Z'), 3)
  return {
    path,
    context,
    vault,
    archive: join(path, 'vault', 'prod', last?.id ?? '', 'logs.tar.zst.gpg'),
    at: (time: string) => {
      now = new Date(time)
    },
    /** The subjects that arrived since it was last asked. */
    subjects: async () => {
      const text = await readFile(told, 'utf8')
      await writeFile(told, '')
      return text.split('\n').filter((line) => line.startsWith('[relay-backup] '))
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}

test('a verification that finds damage is told once, and that it is over once', async () => {
  await using one = await lab()
  one.at(BEFORE_OVERDUE)
  const good = await readFile(one.archive)
  await appendFile(one.archive, 'x')
  expect((await verify(one.context, ['prod'], {})).exitCode).toBe(4)
  expect(await one.subjects()).toEqual(['[relay-backup] prod: verify failed'])
  await verify(one.context, ['prod'], {})
  expect(await one.subjects()).toEqual([])
  await writeFile(one.archive, good)
  expect((await verify(one.context, ['prod'], {})).exitCode).toBe(0)
  expect(await one.subjects()).toEqual(['[relay-backup] prod: recovered'])
})

test('overdue is told although nothing ran, again after a day, and by --alert alone', async () => {
  await using one = await lab()
  one.at('2026-03-04T12:00:00Z')
  expect((await status(one.context, [], {})).exitCode).toBe(4)
  expect(await one.subjects()).toEqual([])
  await status(one.context, [], { alert: true })
  expect(await one.subjects()).toEqual(['[relay-backup] prod: overdue'])
  one.at('2026-03-05T11:59:00Z')
  await status(one.context, [], { alert: true })
  expect(await one.subjects()).toEqual([])
  one.at('2026-03-05T12:00:00Z')
  await status(one.context, [], { alert: true })
  expect(await one.subjects()).toEqual(['[relay-backup] prod: overdue'])
})

test('a pull that can not even begin is told', async () => {
  await using one = await lab()
  await rm(join(one.path, 'vault', 'vault.json'))
  await writeFile(join(one.path, 'vault', 'vault.json'), 'no vault')
  await expect(pull(one.context, ['prod'], { rotate: true })).rejects.toThrow()
  expect(await one.subjects()).toEqual(['[relay-backup] vault: failure'])
})

test('pings say that it begins and how it ended', async () => {
  const got: string[] = []
  const server = createServer((request, response) => {
    got.push(request.url ?? '')
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await using one = await lab('  - healthchecks: { file: ./ping }\n')
    await writeFile(
      join(one.path, 'ping'),
      `http://127.0.0.1:${(server.address() as AddressInfo).port}/key\n`,
    )
    await chmod(join(one.path, 'ping'), 0o600)
    await appendFile(one.archive, 'x')
    await verify(one.context, ['prod'], {})
    expect(got.map((url) => url.replace(/rid=[0-9a-f-]{36}$/, 'rid='))).toEqual([
      '/key/start?rid=',
      '/key/4?rid=',
    ])
    expect(new Set(got.map((url) => url.split('rid=')[1])).size).toBe(1)
  } finally {
    server.close()
  }
})

test('a channel that fails changes no exit code; it is in the history, and told next time', async () => {
  await using one = await lab('  - slack: { file: ./nothing }\n')
  one.at(BEFORE_OVERDUE)
  const told = async () =>
    (await one.vault.runs('prod')).map(({ operation, outcome }) => `${operation} ${outcome}`)
  await appendFile(one.archive, 'x')
  expect((await verify(one.context, ['prod'], {})).exitCode).toBe(4)
  expect(await told()).toEqual(['verify failed', 'notify failed'])
  expect((await one.vault.runs('prod')).at(-1)?.findings).toMatchObject([
    { check: 'slack', outcome: 'failed' },
  ])
  expect(await one.subjects()).toHaveLength(1)
  await verify(one.context, ['prod'], {})
  expect(await told()).toEqual(['verify failed', 'notify failed', 'verify failed', 'notify failed'])
  expect(await one.subjects()).toEqual([])
})

test('notify test: each, one, and what is not there', async () => {
  await using one = await lab('  - slack: { file: ./nothing }\n')
  const rows = ({ json }: CommandOutcome) =>
    (json as { channels: { channel: string; ok: boolean }[] }).channels.map(({ channel, ok }) => [
      channel,
      ok,
    ])
  const all = await notifyTest(one.context, [])
  expect([all.exitCode, rows(all)]).toEqual([
    3,
    [
      ['command', true],
      ['slack', false],
    ],
  ])
  expect(all.text).toMatch(/^command: taken\nslack: .*\n {2}Next: /)
  expect((await notifyTest(one.context, ['slack'])).exitCode).toBe(1)
  expect((await notifyTest(one.context, ['command'])).exitCode).toBe(0)
  await expect(notifyTest(one.context, ['slak'])).rejects.toMatchObject({
    details: { next: 'Did you mean "slack"? Configured: command, slack' },
  })
})

test('what channels were told can not be kept: it is told again, and changes no exit code', async () => {
  await using one = await lab()
  one.at(BEFORE_OVERDUE)
  const state = join(one.path, 'blocked', 'relay-backup')
  await mkdir(state, { recursive: true })
  await writeFile(join(state, 'alerts'), '')
  const context = { ...one.context, env: { ...one.context.env, XDG_STATE_HOME: join(one.path, 'blocked') } }
  await appendFile(one.archive, 'x')
  expect((await verify(context, ['prod'], {})).exitCode).toBe(4)
  expect(await one.subjects()).toEqual(['[relay-backup] prod: verify failed'])
  await status(context, [], { alert: true })
  expect(await one.subjects()).toEqual(['[relay-backup] prod: verify failed'])
})

test('a vault that is gone is no recovery', async () => {
  await using one = await lab()
  await appendFile(one.archive, 'x')
  one.at(BEFORE_OVERDUE)
  await verify(one.context, ['prod'], {})
  expect(await one.subjects()).toEqual(['[relay-backup] prod: verify failed'])
  await rm(join(one.path, 'vault'), { recursive: true })
  await status(one.context, [], { alert: true })
  expect(await one.subjects()).toEqual(['[relay-backup] prod: overdue'])
})
