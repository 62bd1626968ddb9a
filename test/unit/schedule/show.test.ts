import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commandLine } from '../../../src/cli/command-line.ts'
import { createProgram } from '../../../src/cli/program.ts'
import { scheduleShow } from '../../../src/commands/schedule-show.ts'
import { openVault } from '../../../src/vault/open-vault.ts'
import { commandContext } from '../../lab/command-context.ts'
import { endedRun } from '../../lab/ended-run.ts'
import { fakeSystem } from '../timers/fake-system.ts'
import { temporaryDirectory } from '../vault/fixtures.ts'

test('schedule show says when each is due, when it ran last, what was missed, and what would keep it from running', async () => {
  await using directory = await temporaryDirectory()
  const config = join(directory.path, 'hosts.yaml')
  await writeFile(
    config,
    `version: 1
vault: ./vault
encryption: { recipients: [k.asc] }
schedules:
  nightly: { at: "02:00", timeZone: UTC, run: pull --all }
  watch: { every: 6h, timeZone: UTC, run: status --alert }
hosts:
  prod: { ssh: { host: a, user: root, identityFile: ./no-key, agent: /run/agent } }
`,
  )
  const now = new Date('2026-03-05T12:00:00Z')
  const context = commandContext(config, directory.path, { now: () => now })
  const line = commandLine((run) => createProgram('0', run))
  const system = fakeSystem(directory.path)
  const shown = async () => (await scheduleShow(context, line, system)).text.split('\n')
  const timer = [
    '  timer: none; install it: relay-backup schedule install',
    '  while nobody is there it may fail: prod is logged in to by an SSH agent, whose keys somebody must load: set ssh.identityFile',
  ]
  const watch = [
    'watch: every 6h (UTC): status --alert',
    '  next: today 18:00',
    '  timer: none; install it: relay-backup schedule install',
    '  runs while nobody is there: yes',
  ]
  expect(await shown()).toEqual([
    'nightly: every day at 02:00 (UTC): pull --all',
    '  next: tomorrow 02:00',
    '  last: it never ran',
    ...timer,
    ...watch,
  ])
  const vault = await openVault(join(directory.path, 'vault'))
  await vault.recordRun(endedRun(new Date('2026-03-02T02:00:10Z'), { trigger: 'schedule:nightly' }))
  await vault.recordRun(endedRun(new Date('2026-03-04T09:00:00Z')))
  expect(await shown()).toEqual([
    'nightly: every day at 02:00 (UTC): pull --all',
    '  next: tomorrow 02:00',
    '  last: 2026-03-02 02:00',
    '  due since today 02:00, and did not begin',
    '  missed before that: 2 runs of the last 30 days',
    ...timer,
    ...watch,
  ])
})
