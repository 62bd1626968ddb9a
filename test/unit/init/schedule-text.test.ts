import { expect, test } from 'vitest'
import { parseConfig } from '../../../src/config/load.ts'
import { scheduleIn, withSchedule } from '../../../src/init/schedule-text.ts'

const HEAD = 'version: 1\nvault: v # here\nencryption: { recipients: [a.asc] }\n'
const HOSTS = 'hosts:\n  one: { ssh: one } # odd   spaces\n'
const nightly = { at: '02:00', run: 'pull --all' }
const LINE = 'backup: { at: 02:00, run: pull --all }'

test.each([
  ['without schedules', `${HEAD}${HOSTS}`, `${HOSTS}\n# What runs when.`],
  ['without a newline at the end', `${HEAD}${HOSTS}`.trimEnd(), '# odd   spaces\n\n# What runs when.'],
  [
    'behind the last one',
    `${HEAD}schedules:\n    a: { every: 6h, run: pull } # mine\n# about hosts\n${HOSTS}`,
    `    a: { every: 6h, run: pull } # mine\n    ${LINE}\n# about hosts\n${HOSTS}`,
  ],
  [
    'in place of one',
    `${HEAD}schedules:\n  backup: { every: 6h, run: pull } # mine\n  b: { at: 04:00, run: pull }\n${HOSTS}`,
    `schedules:\n  ${LINE} # mine\n  b: { at: 04:00, run: pull }\n${HOSTS}`,
  ],
  [
    'in place of one in lines',
    `${HEAD}schedules:\n  backup:\n    every: 6h # old\n    run: pull\n\n  # next\n  b: { at: 04:00, run: pull }\n${HOSTS}`,
    `  # next\n  b: { at: 04:00, run: pull }\n${HOSTS}`,
  ],
  ['in one line', `${HEAD}schedules: { b: { at: 04:00, run: pull } } # all\n${HOSTS}`, '# all'],
  ['of which there are none', `${HEAD}schedules: {}\n${HOSTS}`, '# here'],
  ['with nothing behind the key', `${HEAD}schedules:\n${HOSTS}`, '# here'],
])('a schedule more, %s: the config says the same of all else', (_, before, kept) => {
  const text = withSchedule(before, 'backup', nightly)
  expect(text).toContain(kept)
  expect(scheduleIn(text, 'backup')).toEqual(nightly)
  const config = parseConfig(text, '/x/hosts.yaml', { HOME: '/home/me' })
  const old = /^schedules:\n(?=hosts)/m.test(before)
    ? parseConfig(before.replace('schedules:\n', ''), '/x/hosts.yaml', { HOME: '/home/me' })
    : parseConfig(before, '/x/hosts.yaml', { HOME: '/home/me' })
  const others = (of: typeof config) => of.schedules.filter(({ name }) => name !== 'backup')
  expect(others(config)).toEqual(others(old))
  expect({ ...config, schedules: [], hosts: config.hosts.map((host) => ({ ...host, lives: [] })) }).toEqual({
    ...old,
    schedules: [],
    hosts: old.hosts.map((host) => ({ ...host, lives: [] })),
  })
})
