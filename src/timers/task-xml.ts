import type { CronFields } from '../model/cron-fields.ts'
import type { ScheduleConfig } from '../model/schedule.ts'
import { timerCommand } from './command.ts'
import type { TimerPlace, TimerText } from './contract.ts'
import { sealFor } from './seal.ts'
import { moreOften, type SystemTimes } from './times.ts'
import { fromXmlText, xmlText } from './xml.ts'

/** Windows takes no more triggers of a task. */
const MOST = 48
/** Any day in the past: a trigger begins with it. */
const DAY = '2024-01-01'
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]
const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

/** A task of Windows for a schedule, by the schema of its Task Scheduler (version 1.2). */
export function taskXml(schedule: ScheduleConfig, place: TimerPlace, times: SystemTimes): TimerText {
  const { starts, isExact, fields } = startsOf(times)
  const [program = '', ...args] = timerCommand(schedule, place, { isExact, quiet: false })
  const triggers = starts.flatMap(({ minute, every }) => [
    '    <CalendarTrigger>',
    `      <StartBoundary>${DAY}T${clock(minute)}:00</StartBoundary>`,
    ...(every === undefined
      ? []
      : [`      <Repetition><Interval>PT${every}M</Interval><Duration>P1D</Duration></Repetition>`]),
    `      ${dayXml(fields)}`,
    '    </CalendarTrigger>',
  ])
  const lines = [
    '  <Triggers>',
    ...triggers,
    '  </Triggers>',
    '  <Principals>',
    '    <Principal id="Author">',
    '      <LogonType>InteractiveToken</LogonType>',
    '      <RunLevel>LeastPrivilege</RunLevel>',
    '    </Principal>',
    '  </Principals>',
    '  <Settings>',
    '    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>',
    '    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>',
    '    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>',
    '    <StartWhenAvailable>true</StartWhenAvailable>',
    '    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>',
    '  </Settings>',
    '  <Actions Context="Author">',
    '    <Exec>',
    `      <Command>${xmlText(program)}</Command>`,
    `      <Arguments>${xmlText(args.map(windowsWord).join(' '))}</Arguments>`,
    '    </Exec>',
    '  </Actions>',
    '</Task>',
    '',
  ]
  const seal = sealFor(place, essenceOf(lines.join('\n')))
  return [
    [
      '<?xml version="1.0" encoding="UTF-16"?>',
      '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">',
      '  <RegistrationInfo>',
      `    <Description>${xmlText(seal)}</Description>`,
      '  </RegistrationInfo>',
      ...lines,
    ].join('\n'),
  ]
}

/**
 * What of a task makes it this one. Windows adds elements and changes the layout when it takes a task in, so the rest is
 * not compared.
 */
export function essenceOf(xml: string): string {
  const all = (tag: string) =>
    [...xml.matchAll(new RegExp(`<${tag}>([^<]*)</${tag}>`, 'g'))].map((match) =>
      fromXmlText(match[1] ?? '').trim(),
    )
  const named = (names: readonly string[]) =>
    [...xml.matchAll(new RegExp(`<(${names.join('|')})\\s*(?:/>|></\\1>)`, 'g'))].map(
      (match) => match[1] ?? '',
    )
  return JSON.stringify([
    all('StartBoundary'),
    all('Interval'),
    all('Day'),
    named(MONTHS),
    named(WEEKDAYS),
    all('Command'),
    all('Arguments'),
  ])
}

interface Start {
  /** Of the day. */
  readonly minute: number
  /** Minutes until it fires again that day. */
  readonly every?: number
}

/** The triggers of a day: one for each time, or one that repeats evenly. */
function startsOf(times: SystemTimes): {
  readonly starts: readonly Start[]
  readonly isExact: boolean
  readonly fields: CronFields
} {
  for (const { fields, isExact } of [times, moreOften(times, 'hours')]) {
    const minutes = fields.hours.flatMap((hour) => fields.minutes.map((minute) => hour * 60 + minute))
    const every = (minutes[1] ?? 1440) - (minutes[0] ?? 0)
    const isEven =
      every * minutes.length === 1440 &&
      minutes.every((at, index) => at === (minutes[0] ?? 0) + index * every)
    if (isEven && minutes.length > 1) return { starts: [{ minute: minutes[0] ?? 0, every }], isExact, fields }
    if (minutes.length <= MOST) return { starts: minutes.map((minute) => ({ minute })), isExact, fields }
    if (fields.hours.length === 24 && fields.minutes.length <= MOST)
      return { starts: fields.minutes.map((minute) => ({ minute, every: 60 })), isExact, fields }
  }
  const { fields } = moreOften(times, 'hours')
  return { starts: [{ minute: 0, every: 1 }], isExact: false, fields }
}

function dayXml({ days, months, weekdays }: CronFields): string {
  const tags = (names: readonly string[], chosen: readonly number[]) =>
    chosen.map((index) => `<${names[index]} />`).join('')
  // A month of a week's day can't be said together with "each week".
  if (weekdays !== undefined && months === undefined)
    return `<ScheduleByWeek><WeeksInterval>1</WeeksInterval><DaysOfWeek>${tags(WEEKDAYS, weekdays)}</DaysOfWeek></ScheduleByWeek>`
  if (days === undefined && months === undefined)
    return '<ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>'
  const range = (to: number) => Array.from({ length: to }, (_, index) => index + 1)
  const inMonths = `<Months>${tags(
    MONTHS,
    (months ?? range(12)).map((month) => month - 1),
  )}</Months>`
  if (weekdays !== undefined) {
    const weeks = ['1', '2', '3', '4', 'Last'].map((week) => `<Week>${week}</Week>`).join('')
    return `<ScheduleByMonthDayOfWeek><Weeks>${weeks}</Weeks><DaysOfWeek>${tags(WEEKDAYS, weekdays)}</DaysOfWeek>${inMonths}</ScheduleByMonthDayOfWeek>`
  }
  const ofMonth = (days ?? range(31)).map((day) => `<Day>${day}</Day>`).join('')
  return `<ScheduleByMonth><DaysOfMonth>${ofMonth}</DaysOfMonth>${inMonths}</ScheduleByMonth>`
}

/** As a program of Windows takes its command line apart: CommandLineToArgvW. */
function windowsWord(text: string): string {
  if (/^[\w@+=:,.\\/-]+$/.test(text)) return text
  return `"${text.replaceAll(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, '$1$1')}"`
}

const clock = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
