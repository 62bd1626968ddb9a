/** What the five fields of a cron expression allow; undefined where a field is `*`. Each list is sorted. */
export interface CronFields {
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  readonly days: readonly number[] | undefined
  readonly months: readonly number[] | undefined
  /** 0 is Sunday. */
  readonly weekdays: readonly number[] | undefined
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
/** February has 29 days in some years. */
const LONGEST = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

interface Field {
  readonly name: string
  readonly from: number
  readonly to: number
  readonly names?: readonly string[]
}

const FIELDS: readonly Field[] = [
  { name: 'minute', from: 0, to: 59 },
  { name: 'hour', from: 0, to: 23 },
  { name: 'day of the month', from: 1, to: 31 },
  { name: 'month', from: 1, to: 12, names: MONTHS },
  { name: 'day of the week', from: 0, to: 7, names: WEEKDAYS },
]

/**
 * Reads the cron expressions that mean the same to cron, systemd, launchd and Windows: five fields of numbers, names of
 * months and days, lists, ranges and steps. A text says what is wrong with another one, also with one that never fires.
 */
export function readCron(expression: string): CronFields | string {
  const written = expression.trim().split(/\s+/)
  if (written.length !== FIELDS.length)
    return 'must have five fields: minute, hour, day of the month, month, day of the week'
  const sets: (readonly number[] | undefined)[] = []
  for (const [at, field] of FIELDS.entries()) {
    const text = written[at] ?? ''
    const values = text === '*' ? undefined : readField(text, field)
    if (typeof values === 'string') return values
    sets.push(values)
  }
  const [minutes = range(0, 59), hours = range(0, 23), days, months, weekdays] = sets
  // cron fires when either matches, or when both do if one begins with a star; others have one of the two rules.
  if (days !== undefined && weekdays !== undefined)
    return 'must not limit both the day of the month and the day of the week: programs disagree about what that means'
  if (days !== undefined && !(months ?? range(1, 12)).some((month) => (days[0] ?? 0) <= daysOf(month)))
    return 'never fires: no such month has that day'
  return {
    minutes,
    hours,
    days,
    months,
    weekdays: weekdays && sorted(weekdays.map((day) => day % 7)),
  }
}

function readField(text: string, field: Field): readonly number[] | string {
  const problem = `has a ${field.name} that is not understood; write numbers from ${field.from} to ${field.to}, like 1,15 or 1-5 or */2`
  const values: number[] = []
  for (const part of text.split(',')) {
    const [, all, first, last, step] = /^(?:(\*)|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(part) ?? []
    if (all === undefined && first === undefined) return problem
    // cron refuses a step without a range.
    if (first !== undefined && last === undefined && step !== undefined) return problem
    const from = all === undefined ? numberOf(first ?? '', field) : field.from
    const end = all === undefined ? numberOf(last ?? first ?? '', field) : lastOf(field)
    const by = Number(step ?? 1)
    if (from === undefined || end === undefined || end < from || by < 1) return problem
    for (let value = from; value <= end; value += by) values.push(value)
  }
  return sorted(values)
}

function numberOf(word: string, { from, to, names }: Field): number | undefined {
  const named = names?.indexOf(word.toLowerCase()) ?? -1
  if (named >= 0) return named + from
  const value = /^\d{1,2}$/.test(word) ? Number(word) : NaN
  return value >= from && value <= to ? value : undefined
}

/** Sunday is 0 and 7; with a star it is meant once. */
const lastOf = ({ to }: Field): number => (to === 7 ? 6 : to)
const daysOf = (month: number): number => LONGEST[month - 1] ?? 31
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at)
const sorted = (values: readonly number[]): number[] => [...new Set(values)].sort((a, b) => a - b)
