import { expect, test } from 'vitest'
import type { ScheduleConfig } from '../../../src/model/schedule.ts'
import { keepSchedules } from '../../../src/schedule/daemon.ts'
import type { BegunRun } from '../../../src/schedule/due-runs.ts'
import { nextDue } from '../../../src/schedule/times.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

const nightly: ScheduleConfig = {
  name: 'nightly',
  time: { at: '02:30' },
  cron: '30 2 * * *',
  timeZone: 'Europe/Berlin',
  run: ['pull', '--all'],
}
const often: ScheduleConfig = {
  name: 'often',
  time: { every: '6h' },
  cron: '0 */6 * * *',
  timeZone: 'America/New_York',
  run: ['pull', 'prod'],
}
const monthly: ScheduleConfig = {
  name: 'monthly',
  time: { cron: '0 4 31 * *' },
  cron: '0 4 31 * *',
  timeZone: 'UTC',
  run: ['verify', '--all'],
}

/** A machine with a clock of its own. Between two moments it may sleep, be switched off, or have its clock set. */
class Machine {
  time: number
  readonly runs: { readonly name: string; readonly at: number; readonly due: number }[] = []
  readonly history: BegunRun[] = []
  overlaps = 0
  #running = 0
  readonly #end: number
  readonly #events: { readonly at: number; readonly to: number; readonly kind: 'sleep' | 'reboot' | 'set' }[]
  /** What the runs find locked, or skip, is in no history. */
  leavesTraces = true
  #power = new AbortController()

  constructor(
    start: string,
    end: string,
    events: { at: string; to: string; kind: 'sleep' | 'reboot' | 'set' }[],
  ) {
    this.time = Date.parse(start)
    this.#end = Date.parse(end)
    this.#events = events.map(({ at, to, kind }) => ({ at: Date.parse(at), to: Date.parse(to), kind }))
  }

  async live(schedules: readonly ScheduleConfig[], takes = 20 * 60_000): Promise<void> {
    while (this.time < this.#end) {
      this.#power = new AbortController()
      await keepSchedules(
        {
          now: () => new Date(this.time),
          schedules: () => Promise.resolve(schedules),
          history: () => Promise.resolve([...this.history]),
          waitUntil: (at) => Promise.resolve(this.#pass(at?.getTime() ?? this.#end)),
          run: (schedule, due) => {
            this.#running += 1
            if (this.#running > 1) this.overlaps += 1
            this.runs.push({ name: schedule.name, at: this.time, due: due.getTime() })
            if (this.leavesTraces)
              this.history.push({
                at: new Date(this.time).toISOString(),
                trigger: 'daemon',
                schedule: schedule.name,
                operation: 'pull',
                outcome: 'done',
              })
            this.#pass(this.time + takes)
            this.#running -= 1
            return Promise.resolve()
          },
        },
        this.#power.signal,
      )
    }
  }

  /** Lets time pass to this moment, or to what happens first. */
  #pass(to: number): void {
    const [event] = this.#events
    if (event !== undefined && event.at >= this.time && event.at <= to) {
      this.#events.shift()
      this.time = event.to
      if (event.kind === 'reboot') this.#power.abort()
      return
    }
    this.time = Math.min(to, this.#end)
    if (this.time >= this.#end) this.#power.abort()
  }

  runsOf(name: string): number[] {
    return this.runs.filter((run) => run.name === name).map(({ at }) => at)
  }
}

/** Every time at which a schedule is due between two moments. */
function dueTimes(schedule: ScheduleConfig, from: string, to: string): number[] {
  const found: number[] = []
  for (let at = nextDue(schedule, new Date(from)); at.getTime() < Date.parse(to); at = nextDue(schedule, at))
    found.push(at.getTime())
  return found
}

test('a year with both changes of DST: each due run begins once, when it is due or right behind the one before it', async () => {
  const [start, end] = ['2026-01-01T12:00:00Z', '2027-01-01T12:00:00Z']
  const machine = new Machine(start, end, [])
  await machine.live([nightly, monthly])
  for (const schedule of [nightly, monthly]) {
    const runs = machine.runs.filter(({ name }) => name === schedule.name)
    expect(runs.map(({ due }) => due)).toEqual(dueTimes(schedule, start, end))
    expect(runs.every(({ at, due }) => at >= due && at - due <= HOUR)).toBe(true)
  }
  expect(machine.runsOf('nightly')).toHaveLength(365)
  expect(machine.runsOf('monthly')).toHaveLength(7)
  expect(machine.overlaps).toBe(0)
})

test('a year with sleeps and reboots: what was missed is caught up once, as soon as the machine is there', async () => {
  const [start, end] = ['2026-01-01T12:00:00Z', '2027-01-01T12:00:00Z']
  const away = [
    { at: '2026-02-10T20:00:00Z', to: '2026-02-11T09:00:00Z', kind: 'sleep' },
    { at: '2026-03-28T22:00:00Z', to: '2026-03-30T10:00:00Z', kind: 'sleep' },
    { at: '2026-06-01T00:10:00Z', to: '2026-06-20T00:00:00Z', kind: 'reboot' },
    { at: '2026-10-24T22:00:00Z', to: '2026-10-25T12:00:00Z', kind: 'reboot' },
    { at: '2026-12-01T01:31:00Z', to: '2026-12-01T01:40:00Z', kind: 'reboot' },
  ] as const
  const machine = new Machine(start, end, [...away])
  await machine.live([nightly])
  const there = (at: number) => away.every((one) => at < Date.parse(one.at) || at > Date.parse(one.to))
  const onTime = dueTimes(nightly, start, end).filter(there)
  const caughtUp = away.slice(0, 4).map(({ to }) => Date.parse(to))
  expect(machine.runsOf('nightly')).toEqual([...onTime, ...caughtUp].sort((a, b) => a - b))
})

test('a clock that goes an hour back does not repeat a run, and one that jumped by a year and back costs one run more', async () => {
  const back = new Machine('2026-05-01T12:00:00Z', '2026-05-04T12:00:00Z', [
    { at: '2026-05-02T01:00:00Z', to: '2026-05-02T00:00:00Z', kind: 'set' },
  ])
  await back.live([nightly])
  expect(back.runsOf('nightly').map((at) => new Date(at).toISOString())).toEqual([
    '2026-05-02T00:30:00.000Z',
    '2026-05-03T00:30:00.000Z',
    '2026-05-04T00:30:00.000Z',
  ])
  const year = new Machine('2026-05-01T12:00:00Z', '2026-05-06T12:00:00Z', [
    { at: '2026-05-02T12:00:00Z', to: '2027-05-02T12:00:00Z', kind: 'set' },
    { at: '2027-05-02T12:10:00Z', to: '2026-05-02T12:20:00Z', kind: 'set' },
  ])
  // The clock is set back while the run that the wrong time made due is on its way.
  await year.live([nightly])
  const at = year.runsOf('nightly').map((time) => new Date(time).toISOString().slice(0, 10))
  expect(at).toEqual(['2026-05-02', '2027-05-02', '2026-05-03', '2026-05-04', '2026-05-05', '2026-05-06'])
})

test('a schedule that never ran is due from the daemon’s start on, and not before', async () => {
  const machine = new Machine('2026-05-01T12:00:00Z', '2026-05-01T20:00:00Z', [])
  await machine.live([nightly])
  expect(machine.runs).toEqual([])
})

test('a run that took longer than its period is followed by one, not by all that were due meanwhile', async () => {
  const machine = new Machine('2026-05-01T11:00:00Z', '2026-05-03T11:00:00Z', [])
  await machine.live([often], 13 * HOUR)
  expect(machine.runs.length).toBeLessThan((2 * DAY) / (12 * HOUR) + 1)
  const dues = machine.runs.map(({ due }) => due)
  expect(new Set(dues).size).toBe(dues.length)
})

test('a clock that is set right, back by a year, before anything ran leaves each schedule due', async () => {
  const machine = new Machine('2026-05-01T12:00:00Z', '2026-05-04T12:00:00Z', [
    { at: '2026-05-01T12:05:00Z', to: '2025-05-01T12:05:00Z', kind: 'set' },
    { at: '2025-05-03T12:00:00Z', to: '2026-05-04T12:00:00Z', kind: 'reboot' },
  ])
  await machine.live([nightly])
  expect(machine.runsOf('nightly').map((at) => new Date(at).toISOString().slice(0, 10))).toEqual([
    '2025-05-02',
    '2025-05-03',
  ])
})

test('a run that leaves no trace in the history is begun once', async () => {
  const machine = new Machine('2026-05-01T12:00:00Z', '2026-05-04T12:00:00Z', [])
  machine.leavesTraces = false
  await machine.live([nightly], 1000)
  expect(machine.runsOf('nightly')).toEqual(dueTimes(nightly, '2026-05-01T12:00:00Z', '2026-05-04T12:00:00Z'))
})

test('after a sleep, what was due first runs first', async () => {
  const machine = new Machine('2026-05-01T00:00:00Z', '2026-05-02T01:00:00Z', [
    { at: '2026-05-01T00:10:00Z', to: '2026-05-01T11:00:00Z', kind: 'sleep' },
  ])
  await machine.live([often, nightly])
  expect(machine.runs.slice(0, 2).map(({ name }) => name)).toEqual(['nightly', 'often'])
})
