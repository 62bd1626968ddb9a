import { describe, expect, test } from 'vitest'
import type { ScheduleConfig } from '../../../src/model/schedule.ts'
import type { TimerPlace } from '../../../src/timers/contract.ts'
import { crontabEntry } from '../../../src/timers/crontab-text.ts'
import { launchdPlist } from '../../../src/timers/launchd-plist.ts'
import { readSeal } from '../../../src/timers/seal.ts'
import { calendarOf, systemdUnits } from '../../../src/timers/systemd-units.ts'
import { essenceOf, taskXml } from '../../../src/timers/task-xml.ts'
import { fieldsOf, systemTimes } from '../../../src/timers/times.ts'

const NOW = new Date('2026-05-01T12:00:00Z')
const place: TimerPlace = {
  program: ['/opt/node 24/bin/node', '/usr/local/bin/relay-backup'],
  config: "/home/me/a 100%/it's $HOME.yaml",
  env: { PATH: '/usr/local/bin:/usr/bin', XDG_STATE_HOME: '/srv/100%' },
}
const at = (cron: string, timeZone?: string): ScheduleConfig => ({
  name: 'nightly',
  time: { cron },
  cron,
  timeZone,
  run: ['pull', '--all'],
})
const times = (schedule: ScheduleConfig, zone = 'UTC') => systemTimes(schedule, zone, NOW)
/** Without what is known of it, which has a hash. */
const plain = (text: string) => text.replace(/^.*relay-backup-timer .*\n/gm, '')

test('the units of systemd', () => {
  expect(systemdUnits(at('0 2 * * *'), place).map(plain)).toEqual([
    `# Written by relay-backup schedule install. Change the schedule in the config, and install again.
[Unit]
Description=relay-backup: schedule nightly

[Service]
Type=oneshot
Environment="PATH=/usr/local/bin:/usr/bin"
Environment="XDG_STATE_HOME=/srv/100%%"
ExecStart="/opt/node 24/bin/node" "/usr/local/bin/relay-backup" "--config" "/home/me/a 100%%/it's $$HOME.yaml" "schedule" "run" "nightly"
`,
    `# Written by relay-backup schedule install. Change the schedule in the config, and install again.
[Unit]
Description=relay-backup: schedule nightly

[Timer]
OnCalendar=*-*-* 02:00:00
# What was missed while the machine was off is run once.
Persistent=true

[Install]
WantedBy=timers.target
`,
  ])
  expect(systemdUnits(at('0 2 * * *', 'Europe/Berlin'), place)[1]).toContain(
    'OnCalendar=*-*-* 02:00:00 Europe/Berlin\n',
  )
})

test('a line of a crontab: whole paths, quoted for any shell, a percent sign for cron', () => {
  expect(plain(crontabEntry(at('0 2 * * *'), place, times(at('0 2 * * *'))))).toBe(
    `0 2 * * * /usr/bin/env PATH=/usr/local/bin:/usr/bin 'XDG_STATE_HOME=/srv/100\\%' '/opt/node 24/bin/node' /usr/local/bin/relay-backup --config '/home/me/a 100\\%/it'\\''s $HOME.yaml' --quiet schedule run nightly\n`,
  )
})

test('an agent of launchd', () => {
  const [text = ''] = launchdPlist(at('30 2 * * 1,7'), place, {
    label: 'relay-backup.nightly.1',
    log: '/Users/me/Library/Logs/a&b.log',
    times: times(at('30 2 * * 1,7')),
  })
  expect(plain(text)).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- Written by relay-backup schedule install. Change the schedule in the config, and install again. -->
<plist version="1.0">
<dict>
  <key>Label</key><string>relay-backup.nightly.1</string>
  <key>ProgramArguments</key>
  <array>
    <string>/opt/node 24/bin/node</string>
    <string>/usr/local/bin/relay-backup</string>
    <string>--config</string>
    <string>/home/me/a 100%/it&apos;s $HOME.yaml</string>
    <string>schedule</string>
    <string>run</string>
    <string>nightly</string>
  </array>
  <key>EnvironmentVariables</key>
  <dict>
    <key>PATH</key><string>/usr/local/bin:/usr/bin</string>
    <key>XDG_STATE_HOME</key><string>/srv/100%</string>
  </dict>
  <key>StartCalendarInterval</key>
  <array>
    <dict><key>Weekday</key><integer>0</integer><key>Hour</key><integer>2</integer><key>Minute</key><integer>30</integer></dict>
    <dict><key>Weekday</key><integer>1</integer><key>Hour</key><integer>2</integer><key>Minute</key><integer>30</integer></dict>
  </array>
  <key>StandardOutPath</key><string>/Users/me/Library/Logs/a&amp;b.log</string>
  <key>StandardErrorPath</key><string>/Users/me/Library/Logs/a&amp;b.log</string>
</dict>
</plist>
`)
})

test('a task of Windows', () => {
  const windows: TimerPlace = {
    program: ['C:\\Program Files\\nodejs\\node.exe', 'C:\\npm\\relay-backup.js'],
    config: 'C:\\a & b\\hosts.yaml',
    env: {},
  }
  const [text = ''] = taskXml(at('0 */12 * * *'), windows, times(at('0 */12 * * *')))
  expect(plain(text)).toBe(`<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
  </RegistrationInfo>
  <Triggers>
    <CalendarTrigger>
      <StartBoundary>2024-01-01T00:00:00</StartBoundary>
      <Repetition><Interval>PT720M</Interval><Duration>P1D</Duration></Repetition>
      <ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>
    </CalendarTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>C:\\Program Files\\nodejs\\node.exe</Command>
      <Arguments>C:\\npm\\relay-backup.js --config &quot;C:\\a &amp; b\\hosts.yaml&quot; schedule run nightly</Arguments>
    </Exec>
  </Actions>
</Task>
`)
})

describe('times', () => {
  test.each([
    ['0 2 * * *', '*-*-* 02:00:00'],
    ['*/15 * * * *', '*-*-* *:00,15,30,45:00'],
    ['30 1,13 1,15 jan,7 *', '*-01,07-01,15 01,13:30:00'],
    ['0 5 * * sun', 'Sun *-*-* 05:00:00'],
    ['0 5 * * 1-5', 'Mon,Tue,Wed,Thu,Fri *-*-* 05:00:00'],
  ])('%s is %s to systemd', (cron, calendar) => {
    expect(calendarOf(fieldsOf({ cron }))).toBe(calendar)
  })

  const shown = (cron: string, zone: string | undefined, machine: string) => {
    const schedule = at(cron, zone)
    const line = plain(crontabEntry(schedule, place, times(schedule, machine)))
    return `${line.split(' ').slice(0, 5).join(' ')}${line.includes('--if-due') ? ' if due' : ''}`
  }
  test.each([
    ['0 */6 * * *', undefined, 'America/New_York', '0 0,6,12,18 * * *'],
    ['0 2 * * mon-wed', undefined, 'UTC', '0 2 * * 1,2,3'],
    // The same zone by another name, and one that is always as far away.
    ['0 2 1 * *', 'Europe/Paris', 'Europe/Berlin', '0 2 1 * *'],
    ['0 2 * * *', 'Asia/Shanghai', 'UTC', '0 18 * * *'],
    ['0 12 * * 1', 'Asia/Shanghai', 'UTC', '0 4 * * 1'],
    ['0 2 * * *', 'Asia/Kathmandu', 'UTC', '15 20 * * *'],
    ['*/15 * * * *', 'Asia/Kathmandu', 'America/New_York', '0,15,30,45 * * * *'],
    ['0 * * * *', 'Europe/Berlin', 'UTC', '0 * * * *'],
    // Cron can't say these: it fires more often, and the program decides.
    ['0 2 * * *', 'Europe/Berlin', 'UTC', '0 0,1 * * * if due'],
    ['0 2 1 * *', 'Asia/Shanghai', 'UTC', '0 18 * * * if due'],
    ['0 2 * * 1', 'Asia/Shanghai', 'UTC', '0 18 * * * if due'],
    ['0 12 * * 1', 'Europe/Berlin', 'America/New_York', '0 6,7 * * * if due'],
    ['0 */12 * * *', 'Europe/Berlin', 'UTC', '0 10,11,22,23 * * * if due'],
    ['15,45 2,3 * * *', 'Asia/Kolkata', 'UTC', '15,45 20,21,22 * * * if due'],
    ['30 2 * * *', 'Australia/Lord_Howe', 'UTC', '0,30 15,16 * * * if due'],
  ])('%s of %s on a machine in %s: %s', (cron, zone, machine, line) => {
    expect(shown(cron, zone, machine)).toBe(line)
  })

  test('what makes too long a list fires more often', () => {
    const starts = (cron: string) => {
      const [text = ''] = taskXml(at(cron), place, times(at(cron)))
      return [...text.matchAll(/<StartBoundary>[^T]*T(.*?):00</g)].length
    }
    const isExact = (cron: string) =>
      !essenceOf(taskXml(at(cron), place, times(at(cron)))[0] ?? '').includes('--if-due')
    const dicts = (cron: string) => {
      const [text = ''] = launchdPlist(at(cron), place, { label: 'l', log: '/l', times: times(at(cron)) })
      return [text.split('<dict><key>').length - 1, !text.includes('--if-due')]
    }
    expect([starts('*/5 * * * *'), isExact('*/5 * * * *')]).toEqual([1, true])
    expect([starts('0,10 9-17 * * 1-5'), isExact('0,10 9-17 * * 1-5')]).toEqual([18, true])
    expect([starts('0,7 * * * *'), isExact('0,7 * * * *')]).toEqual([48, true])
    expect([starts('0,7,9 * * * *'), isExact('0,7,9 * * * *')]).toEqual([3, true])
    expect([starts('*/5 9-17 * * *'), isExact('*/5 9-17 * * *')]).toEqual([1, false])
    expect([starts('1-59 9-17 * * *'), isExact('1-59 9-17 * * *')]).toEqual([1, false])
    expect(dicts('*/5 * * * *')).toEqual([12, true])
    expect(dicts('*/5 9-17 * * 1-5')).toEqual([108, false])
    expect(dicts('*/1 9-17 * * *')).toEqual([60, false])
  })

  test('days and months of Windows', () => {
    const days = (cron: string) =>
      /<\/StartBoundary>\s*(.*)\n/.exec(taskXml(at(cron), place, times(at(cron)))[0] ?? '')?.[1]
    expect(days('0 2 * * 0')).toBe(
      '<ScheduleByWeek><WeeksInterval>1</WeeksInterval><DaysOfWeek><Sunday /></DaysOfWeek></ScheduleByWeek>',
    )
    expect(days('0 2 1,31 6 *')).toBe(
      '<ScheduleByMonth><DaysOfMonth><Day>1</Day><Day>31</Day></DaysOfMonth><Months><June /></Months></ScheduleByMonth>',
    )
    expect(days('0 2 * 6 1')).toMatch(
      /^<ScheduleByMonthDayOfWeek>.*<Week>Last<\/Week>.*<Monday \/>.*<June \/>/,
    )
  })
})

test('each text knows itself again, and that it was changed', () => {
  const schedule = at('0 2 * * *')
  const entry = times(schedule)
  const texts = [
    ...systemdUnits(schedule, place),
    crontabEntry(schedule, place, entry),
    ...launchdPlist(schedule, place, { label: 'l', log: '/l', times: entry }),
  ]
  for (const text of texts) {
    expect(readSeal(text)).toEqual({ place, isWhole: true })
    expect(readSeal(text.replace('nightly', 'weekly'))).toEqual({ place, isWhole: false })
    // A comment of XML ends with the first two hyphens.
    expect(text.split('\n').find((line) => line.includes('relay-backup-timer {'))).not.toMatch(/\w--/)
  }
  expect(readSeal('0 2 * * * true')).toEqual({ place: undefined, isWhole: false })
  expect(readSeal('# relay-backup-timer {"place":{"program":"x"}}')).toEqual({
    place: undefined,
    isWhole: false,
  })
  expect(readSeal('# relay-backup-timer {half')).toEqual({ place: undefined, isWhole: false })
})

test('a path that is no line, and a command that cron would cut off, are refused', () => {
  const torn = { ...place, config: '/home/me/a\n* * * * * evil' }
  for (const render of [
    systemdUnits,
    (one: ScheduleConfig, to: TimerPlace) => crontabEntry(one, to, times(one)),
  ])
    expect(() => render(at('0 2 * * *'), torn)).toThrow(/can't name this path/)
  const long = { ...place, env: { PATH: '/usr/local/bin:'.repeat(70) } }
  expect(() => crontabEntry(at('0 2 * * *'), long, times(at('0 2 * * *')))).toThrow(/longer than cron reads/)
})
