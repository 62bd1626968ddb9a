import type { CronFields } from '../model/cron-fields.ts'
import type { ScheduleConfig } from '../model/schedule.ts'
import { requireOneLine, timerCommand } from './command.ts'
import type { TimerPlace, TimerText } from './contract.ts'
import { sealFor } from './seal.ts'
import { fieldsOf } from './times.ts'

const HEAD =
  '# Written by relay-backup schedule install. Change the schedule in the config, and install again.'
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

/** The service and the timer of a schedule, for systemd's manager of a user. */
export function systemdUnits(schedule: ScheduleConfig, place: TimerPlace): TimerText {
  const [program = '', ...args] = timerCommand(schedule, place, { isExact: true, quiet: false })
  const environment = Object.entries(place.env).map(([name, value]) => {
    requireOneLine([value])
    return `Environment=${quoted(`${name}=${value}`)}\n`
  })
  const service = `[Unit]
Description=${specifiers(`relay-backup: schedule ${schedule.name}`)}

[Service]
Type=oneshot
${environment.join('')}ExecStart=${[quoted(program), ...args.map((arg) => quoted(arg).replaceAll('$', '$$$$'))].join(' ')}
`
  // Zones of systemd's calendar: systemd.time(7).
  const zone = schedule.timeZone === undefined ? '' : ` ${schedule.timeZone}`
  const timer = `[Unit]
Description=${specifiers(`relay-backup: schedule ${schedule.name}`)}

[Timer]
OnCalendar=${calendarOf(fieldsOf(schedule))}${zone}
# What was missed while the machine was off is run once.
Persistent=true

[Install]
WantedBy=timers.target
`
  return [service, timer].map((rest) => {
    const text = `${HEAD}\n${rest}`
    return `# ${sealFor(place, text)}\n${text}`
  })
}

/** A calendar event of systemd, by systemd.time(7): `Mon,Tue *-01-* 02,14:00:00`. */
export function calendarOf({ minutes, hours, days, months, weekdays }: CronFields): string {
  const list = (values: readonly number[] | undefined, all: number) =>
    values === undefined || values.length === all
      ? '*'
      : values.map((value) => String(value).padStart(2, '0')).join(',')
  const day = weekdays === undefined ? '' : `${weekdays.map((one) => WEEKDAYS[one]).join(',')} `
  return `${day}*-${list(months, 12)}-${list(days, 31)} ${list(hours, 24)}:${list(minutes, 60)}:00`
}

/** A word in a unit file: quoted, with specifiers taken as text, by systemd.syntax(7). */
function quoted(word: string): string {
  return `"${specifiers(word).replaceAll(/["\\]/g, '\\$&')}"`
}

const specifiers = (text: string): string => text.replaceAll('%', '%%')
