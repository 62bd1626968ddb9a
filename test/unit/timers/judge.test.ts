import { describe, expect, test } from 'vitest'
import type { ScheduleConfig } from '../../../src/model/schedule.ts'
import { dueRuns, type BegunRun } from '../../../src/schedule/due-runs.ts'
import { judgeTimers } from '../../../src/schedule/judge-timers.ts'
import { unattendedTroubles, type UnattendedFacts } from '../../../src/schedule/unattended.ts'
import type { InstalledTimer, TimerPlace } from '../../../src/timers/contract.ts'
import { systemdTimers } from '../../../src/timers/systemd.ts'
import { timerVariables } from '../../../src/commands/schedule-system.ts'
import { fakeSystem } from './fake-system.ts'

const schedule = (name: string, run: readonly string[] = ['pull', '--all']): ScheduleConfig => ({
  name,
  time: { at: '02:00' },
  cron: '0 2 * * *',
  timeZone: 'UTC',
  run,
})
const place: TimerPlace = {
  program: ['/bin/node', '/opt/relay-backup'],
  config: '/c.yaml',
  env: { PATH: '/bin' },
}
const { run, put } = fakeSystem('/nowhere')
const keeper = systemdTimers({ run, put, directory: '/nowhere', id: '1', user: 'me' })
const timer = (name: string, more: Partial<InstalledTimer> = {}): InstalledTimer => ({
  name,
  text: keeper.render(schedule(name), place),
  place,
  isEdited: false,
  ...more,
})
const NOW = new Date('2026-05-03T12:00:00Z')
const judged = (
  schedules: readonly ScheduleConfig[],
  timers: readonly InstalledTimer[],
  { history = [], gone = '' }: { readonly history?: readonly BegunRun[]; readonly gone?: string } = {},
) =>
  judgeTimers({
    schedules,
    due: dueRuns(schedules, history, NOW),
    kept: [{ keeper, timers }],
    isThere: (path) => path !== gone,
  }).map(({ outcome, message, next }) => `${outcome}: ${message}${next === undefined ? '' : `. ${next}`}`)

describe('what check says of timers', () => {
  test.each([
    ['all is kept', [schedule('nightly')], [timer('nightly')], {}, /^ok: 1 schedule, each is kept$/],
    [
      'nothing runs it',
      [schedule('nightly')],
      [],
      {},
      /^warning: nothing runs the schedule nightly.*relay-backup daemon$/,
    ],
    [
      'Node is gone',
      [schedule('nightly')],
      [timer('nightly')],
      { gone: '/bin/node' },
      /^failed: the timer of nightly .* calls what is not there: \/bin\/node\. Install it again/,
    ],
    [
      'the program is gone',
      [schedule('nightly')],
      [timer('nightly', { isEdited: true })],
      { gone: '/opt/relay-backup' },
      /not there: \/opt\/relay-backup/,
    ],
    [
      'the config has another time',
      [{ ...schedule('nightly'), cron: '0 3 * * *' }],
      [timer('nightly')],
      {},
      /^failed: .* is not as the config says/,
    ],
    [
      'somebody has edited it',
      [schedule('nightly')],
      [timer('nightly', { isEdited: true, text: ['x'] })],
      {},
      /^warning: .* was changed by somebody.*--yes$/,
    ],
    [
      'it is off',
      [schedule('nightly')],
      [timer('nightly', { problem: 'its timer is inactive' })],
      {},
      /^failed: .* does not fire: its timer is inactive/,
    ],
    [
      'its schedule is gone',
      [],
      [timer('old')],
      {},
      /^warning: there is a timer of old .*schedule remove old$/,
    ],
  ] as const)('%s', (_, schedules, timers, more, words) => {
    const found = judged(schedules, timers, more)
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(words)
  })

  test('neither schedules nor timers are nothing to speak of', () => {
    expect(judged([], [])).toEqual([])
  })

  test('what a daemon runs in time needs no timer, and with it what is in no history', () => {
    const both = [schedule('nightly'), schedule('watch', ['status', '--alert'])]
    const ran = (at: string): BegunRun[] => [
      { at, trigger: 'daemon', schedule: 'nightly', operation: 'pull', outcome: 'done' },
    ]
    expect(judged(both, [], { history: ran('2026-05-03T02:00:01Z') })).toEqual([
      'ok: 2 schedules, each is kept',
    ])
    expect(judged(both, [], { history: ran('2026-05-01T02:00:01Z') })).toHaveLength(2)
  })

  test('the paths and variables of the shell that looks do not matter', () => {
    const other = { ...place, env: { PATH: '/other' } }
    const text = keeper.render(schedule('nightly'), other)
    expect(judged([schedule('nightly')], [timer('nightly', { text, place: other })])[0]).toMatch(/^ok/)
  })
})

test('what would keep a schedule from running while nobody is there', () => {
  const fine: UnattendedFacts = {
    secrets: [
      { at: 'a', reference: { file: '/f' } },
      { at: 'b', reference: { env: 'PATH' } },
      { at: 'c', reference: { command: 'op read x' } },
    ],
    logins: [{ host: 'prod', login: 'fine' }],
    env: { PATH: '/bin' },
    rights: [],
    absent: [],
  }
  expect(unattendedTroubles(fine)).toEqual([])
  expect(
    unattendedTroubles({
      secrets: [
        { at: 'encryption.passphrase', reference: { keychain: 'a/b' } },
        { at: 'notify mail', reference: { env: 'MAIL' } },
      ],
      logins: [
        { host: 'one', login: 'agent' },
        { host: 'two', login: 'person' },
        { host: 'three', login: { problem: 'OpenSSH does not take its config' } },
      ],
      env: { PATH: '/bin' },
      rights: ["/vault can't be written to"],
      absent: ['op'],
    }),
  ).toEqual([
    expect.stringMatching(/^encryption.passphrase is in the keychain/),
    expect.stringMatching(/^notify mail is in the variable MAIL/),
    expect.stringMatching(/^one is logged in to by an SSH agent/),
    expect.stringMatching(/^two has no SSH key that opens/),
    'three: OpenSSH does not take its config',
    "/vault can't be written to",
    expect.stringMatching(/^there is no op on the timer's PATH/),
  ])
})

test('a timer gets the variables that it has not by itself, and no secret and no agent', () => {
  expect(
    timerVariables(
      {
        PATH: '/a:b:/a::/c',
        HOME: '/home/me',
        XDG_STATE_HOME: '/state',
        XDG_CACHE_HOME: 'relative',
        SSH_AUTH_SOCK: '/agent',
        SECRET: 'x',
      },
      '/home/me',
    ),
  ).toEqual({ PATH: '/a:/c', XDG_STATE_HOME: '/state' })
  expect(timerVariables({ HOME: '/elsewhere' }, '/home/me')).toEqual({
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: '/elsewhere',
  })
})
