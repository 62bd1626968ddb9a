import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { ScheduleConfig } from '../../src/model/schedule.ts'
import { nextDue } from '../../src/schedule/times.ts'
import type { TimerPlace } from '../../src/timers/contract.ts'
import { launchdPlist } from '../../src/timers/launchd-plist.ts'
import { calendarOf, systemdUnits } from '../../src/timers/systemd-units.ts'
import { taskXml } from '../../src/timers/task-xml.ts'
import { fieldsOf, systemTimes } from '../../src/timers/times.ts'
import { temporaryDirectory } from '../unit/vault/fixtures.ts'

// What is written for others is read by what others read it with.

const run = promisify(execFile)
const NOW = new Date('2026-03-27T12:00:00Z')
/** The last ones are due in weeks in which DST begins. */
const CRONS: readonly (readonly [string, string?])[] = [
  ['0 2 * * *'],
  ['*/15 * * * *'],
  ['30 1,13 1,15 jan,7 *'],
  ['0 5 * * sun'],
  ['0 0 29 2 *'],
  ['0 4 * * *', 'Europe/Berlin'],
  ['0 */6 * * *', 'America/New_York'],
  ['0 0 1 * *', 'Asia/Shanghai'],
]
const schedules = CRONS.map(([cron, timeZone], at): ScheduleConfig => ({
  name: `s${at}`,
  time: { cron },
  cron,
  timeZone: timeZone ?? 'UTC',
  run: ['pull', '--all'],
}))
const place: TimerPlace = {
  program: [process.execPath, '/bin/true'],
  config: `/a "b" 100% & <c> it's $HOME -- \\d.yaml`,
  env: { PATH: '/usr/bin:/50%', HOME: '/h & <i>' },
}

test('systemd takes the units without a word, and its calendar is due when the schedule is', async () => {
  await using directory = await temporaryDirectory()
  const runtime = join(directory.path, 'runtime')
  await mkdir(runtime)
  const files: string[] = []
  for (const schedule of schedules) {
    const [service = '', timer = ''] = systemdUnits(schedule, place)
    for (const [kind, text] of [['service', service] as const, ['timer', timer] as const]) {
      files.push(join(directory.path, `${schedule.name}.${kind}`))
      await writeFile(files.at(-1) ?? '', text)
    }
  }
  const env = { PATH: process.env['PATH'], XDG_RUNTIME_DIR: runtime, HOME: directory.path, TZ: 'UTC' }
  const verified = await run('systemd-analyze', ['--user', '--man=no', 'verify', ...files], { env })
  expect(verified).toMatchObject({ stdout: '', stderr: '' })
  const base = `--base-time=${NOW.toISOString().slice(0, 19).replace('T', ' ')} UTC`
  const events = schedules.map((one) => `${calendarOf(fieldsOf(one))} ${one.timeZone}`)
  const { stdout } = await run('systemd-analyze', ['calendar', '--iterations=4', base, ...events], { env })
  const told = stdout
    .split(/\n\n/)
    .map((part) =>
      [...part.matchAll(/(?:Next elapse|(?:Iter\.|Iteration) #\d): \w+ (\S+) (\S+) UTC/g)].map(
        ([, day, time]) => `${day}T${time}`,
      ),
    )
  const due = schedules.map((one) => {
    const times: string[] = []
    for (let at = NOW; times.length < 4; times.push(at.toISOString().slice(0, 19))) at = nextDue(one, at)
    return times
  })
  expect(told).toEqual(due)
})

/** Reads plists by Python's own reader, and tasks as XML: for each what is called, and how many times of a day there are. */
const READER = `
import json, plistlib, sys
from xml.etree import ElementTree
ns = '{http://schemas.microsoft.com/windows/2004/02/mit/task}'
given = json.load(sys.stdin)
plists = [plistlib.loads(text.encode()) for text in given['plists']]
tasks = [ElementTree.fromstring(text.split('\\n', 1)[1]) for text in given['tasks']]
json.dump({
    'plists': plists,
    'tasks': [{
        'order': [child.tag.replace(ns, '') for child in task],
        'command': task.find('.//%sCommand' % ns).text,
        'arguments': task.find('.//%sArguments' % ns).text,
        'settings': {one.tag.replace(ns, ''): one.text for one in task.find(ns + 'Settings')},
        'starts': [one.text for one in task.iter(ns + 'StartBoundary')],
    } for task in tasks],
}, sys.stdout)
`

test('a plist and a task are what their readers take them for', async () => {
  const times = (schedule: ScheduleConfig) => systemTimes(schedule, 'UTC', NOW)
  const plists = schedules.map(
    (one) => launchdPlist(one, place, { label: 'l & <m>', log: '/log', times: times(one) })[0],
  )
  const tasks = schedules.map((one) => taskXml(one, place, times(one))[0])
  const child = run('python3', ['-c', READER], { maxBuffer: 1 << 24 })
  child.child.stdin?.end(JSON.stringify({ plists, tasks }))
  const read = JSON.parse((await child).stdout) as {
    plists: Record<string, unknown>[]
    tasks: Record<string, unknown>[]
  }
  const words = ['--config', place.config, 'schedule', 'run', 's0']
  expect(read.plists[0]).toEqual({
    Label: 'l & <m>',
    ProgramArguments: [...place.program, ...words],
    EnvironmentVariables: place.env,
    StartCalendarInterval: [{ Hour: 2, Minute: 0 }],
    StandardOutPath: '/log',
    StandardErrorPath: '/log',
  })
  expect(read.plists[2]?.['StartCalendarInterval']).toHaveLength(8)
  expect(read.tasks[0]).toEqual({
    order: ['RegistrationInfo', 'Triggers', 'Principals', 'Settings', 'Actions'],
    command: process.execPath,
    arguments: `/bin/true --config "/a \\"b\\" 100% & <c> it's $HOME -- \\d.yaml" schedule run s0`,
    settings: {
      MultipleInstancesPolicy: 'IgnoreNew',
      DisallowStartIfOnBatteries: 'false',
      StopIfGoingOnBatteries: 'false',
      StartWhenAvailable: 'true',
      ExecutionTimeLimit: 'PT0S',
    },
    starts: ['2024-01-01T02:00:00'],
  })
})
