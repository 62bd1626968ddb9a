import type { CronFields } from '../model/cron-fields.ts'
import type { ScheduleConfig } from '../model/schedule.ts'
import { requireOneLine, timerCommand } from './command.ts'
import type { TimerPlace, TimerText } from './contract.ts'
import { sealFor } from './seal.ts'
import { moreOften, type SystemTimes } from './times.ts'
import { xmlText } from './xml.ts'

/** Of a list of times; a longer one becomes a shorter one that fires more often. */
const MOST = 300

/** An agent of launchd for a schedule, by launchd.plist(5). It has no other time zone than the machine's. */
export function launchdPlist(
  schedule: ScheduleConfig,
  place: TimerPlace,
  options: { readonly label: string; readonly log: string; readonly times: SystemTimes },
): TimerText {
  const { label, log } = options
  const { intervals, isExact } = intervalsOf(options.times)
  const words = timerCommand(schedule, place, { isExact, quiet: false })
  requireOneLine([...Object.values(place.env), log])
  const string = (text: string) => `<string>${xmlText(text)}</string>`
  const lines = [
    '<plist version="1.0">',
    '<dict>',
    `  <key>Label</key>${string(label)}`,
    '  <key>ProgramArguments</key>',
    '  <array>',
    ...words.map((word) => `    ${string(word)}`),
    '  </array>',
    '  <key>EnvironmentVariables</key>',
    '  <dict>',
    ...Object.entries(place.env).map(([name, value]) => `    <key>${xmlText(name)}</key>${string(value)}`),
    '  </dict>',
    // What was missed while the machine slept is run once when it wakes.
    '  <key>StartCalendarInterval</key>',
    '  <array>',
    ...intervals.map(
      (interval) =>
        `    <dict>${Object.entries(interval)
          .map(([key, value]) => `<key>${key}</key><integer>${value}</integer>`)
          .join('')}</dict>`,
    ),
    '  </array>',
    `  <key>StandardOutPath</key>${string(log)}`,
    `  <key>StandardErrorPath</key>${string(log)}`,
    '</dict>',
    '</plist>',
    '',
  ]
  const head = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<!-- Written by relay-backup schedule install. Change the schedule in the config, and install again. -->',
  ]
  const seal = `<!-- ${sealFor(place, [...head, ...lines].join('\n'))} -->`
  return [[...head, seal, ...lines].join('\n')]
}

type Interval = Readonly<Record<string, number>>

function intervalsOf(times: SystemTimes): {
  readonly intervals: readonly Interval[]
  readonly isExact: boolean
} {
  const hourly = moreOften(times, 'hours')
  const shortest =
    [times, moreOften(times, 'days')].find(({ fields }) => product(fields).length <= MOST) ?? hourly
  return { intervals: product(shortest.fields), isExact: shortest.isExact }
}

/** One dictionary for each combination; a key that is left out is any. */
function product({ minutes, hours, days, months, weekdays }: CronFields): readonly Interval[] {
  const keys: [string, readonly number[] | undefined][] = [
    ['Month', months],
    ['Day', days],
    ['Weekday', weekdays],
    ['Hour', hours.length === 24 ? undefined : hours],
    ['Minute', minutes],
  ]
  return keys.reduce<readonly Interval[]>(
    (found, [key, values]) =>
      values === undefined
        ? found
        : found.flatMap((one) => values.map((value) => ({ ...one, [key]: value }))),
    [{}],
  )
}
