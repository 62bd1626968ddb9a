import type { Measurement, Sample } from './contract.ts'
import { median } from './measure.ts'

/** A number of docs/design/numbers.md, and how it comes out of the measurements. */
export interface Target {
  readonly about: string
  /** Reached when the value is at most this. */
  readonly limit: number
  readonly unit: '×' | 'MiB' | 's'
  /** NaN where what it needs was not measured. */
  value(results: Results): number
}

/** A target with its value. */
export interface Judged {
  readonly about: string
  readonly limit: number
  readonly unit: Target['unit']
  readonly value: number
  readonly reached: boolean
}

/** Looks up medians: NaN for what was not measured. */
export class Results {
  readonly #measurements: readonly Measurement[]

  constructor(measurements: readonly Measurement[]) {
    this.#measurements = measurements
  }

  median(scenario: string, step: string, who: string, of: (sample: Sample) => number | undefined): number {
    const found = this.#measurements.find(
      (one) => one.scenario === scenario && one.step === step && one.who === who,
    )
    return median((found?.samples ?? []).map((sample) => of(sample) ?? NaN))
  }

  seconds(scenario: string, step: string, who: string): number {
    return this.median(scenario, step, who, ({ seconds }) => seconds)
  }
}

const OURS = 'relay-backup'
const MIB = 1024 ** 2
const SHELL = 'shell pipe'

const times = (scenario: string, step: string, who: string, limit: number, about: string): Target => ({
  about,
  limit,
  unit: '×',
  value: (results) => results.seconds(scenario, step, OURS) / results.seconds(scenario, step, who),
})

const sets = [
  ['mixed', 'a'],
  ['seed', 'b'],
] as const

/** All of them, in the order of the document; (a) is the mixed tree, (b) the seed's size. */
export const TARGETS: readonly Target[] = [
  ...sets.flatMap(([name, letter]) => [
    times(name, 'first', SHELL, 1, `full pull (${letter}): time of the shell pipe`),
    times(name, 'first', 'restic', 0.5, `full pull (${letter}): time of restic's first backup`),
    times(name, 'first', 'borg', 0.5, `full pull (${letter}): time of borg's first backup`),
  ]),
  ...sets.flatMap(([name, letter]) => [
    times(name, 'unchanged', 'restic', 0.4, `unchanged pull (${letter}): time of restic's`),
    times(name, 'unchanged', 'borg', 0.4, `unchanged pull (${letter}): time of borg's`),
    times(name, 'unchanged', 'rsync', 2, `unchanged pull (${letter}): time of rsync -a`),
  ]),
  {
    about: 'one line appended to a log of 1 GiB: on the wire',
    limit: 1,
    unit: 'MiB',
    value: (results) => results.median('append', 'appended', OURS, ({ wireBytes }) => wireBytes) / MIB,
  },
  times('mixed', 'restore', SHELL, 1.1, 'restore (a): time of the shell pipe back'),
  ...['pull of 100 MB', 'pull of 10 GB'].map((step): Target => ({
    about: `${step}: largest resident set`,
    limit: 200,
    unit: 'MiB',
    value: (results) => results.median('memory', step, OURS, ({ rssBytes }) => rssBytes) / MIB,
  })),
  ...sets.map(([name, letter]): Target => ({
    about: `full pull (${letter}): CPU on the server, of tar | zstd behind ssh`,
    limit: 1.1,
    unit: '×',
    value: (results) => {
      const cpu = (who: string) => results.median(name, 'first', who, ({ serverCpu }) => serverCpu)
      return cpu(OURS) / cpu(SHELL)
    },
  })),
  {
    about: '--version',
    limit: 0.1,
    unit: 's',
    value: (results) => results.seconds('start-up', '--version', OURS),
  },
  {
    about: 'list of 1,000 snapshots',
    limit: 0.5,
    unit: 's',
    value: (results) => results.seconds('start-up', 'list of 1,000', OURS),
  },
  {
    about: 'a cutover of a small app: nobody serves',
    limit: 10,
    unit: 's',
    value: (results) => results.seconds('cutover', 'nobody serves', OURS),
  },
]

/** Every target whose parts were measured. */
export function judge(measurements: readonly Measurement[]): Judged[] {
  const results = new Results(measurements)
  return TARGETS.map(({ about, limit, unit, value: of }) => {
    const value = of(results)
    return { about, limit, unit, value, reached: value <= limit }
  }).filter(({ value }) => !Number.isNaN(value))
}
