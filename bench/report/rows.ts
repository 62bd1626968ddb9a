import type { Measurement, Sample } from '../contract.ts'
import { median } from '../measure.ts'
import type { Judged } from '../targets.ts'

/** What one run of the bench found out. */
export interface Report {
  readonly date: string
  readonly machine: readonly string[]
  readonly rounds: number
  readonly scale: number
  readonly targets: readonly Judged[]
  readonly measurements: readonly Measurement[]
}

export const TARGET_HEAD = ['target', 'limit', 'measured', '']

export function targetRows(targets: readonly Judged[]): string[][] {
  return targets.map(({ about, limit, unit, value, reached }) => [
    about,
    `${limit} ${unit}`,
    `${unit === '×' || unit === 's' ? value.toFixed(2) : value.toFixed(value < 10 ? 2 : 0)} ${unit}`,
    reached ? 'reached' : 'missed',
  ])
}

export const MEASUREMENT_HEAD = [
  'scenario',
  'step',
  'program',
  'time',
  'memory',
  'CPU here',
  'CPU at sshd',
  'wire',
]

/** Medians, one line a measurement. */
export function measurementRows(measurements: readonly Measurement[]): string[][] {
  return measurements.map(({ scenario, step, who, samples }) => {
    const of = (pick: (sample: Sample) => number | undefined, format: (value: number) => string) => {
      const value = median(samples.map((sample) => pick(sample) ?? NaN))
      return Number.isNaN(value) ? '' : format(value)
    }
    const seconds = (value: number) => `${value.toFixed(2)} s`
    return [
      scenario,
      step,
      who,
      of((sample) => sample.seconds, seconds),
      of(
        ({ rssBytes }) => rssBytes,
        (value) => `${Math.round(value / 1024 ** 2)} MiB`,
      ),
      of(({ clientCpu }) => clientCpu, seconds),
      of(({ serverCpu }) => serverCpu, seconds),
      of(
        ({ wireBytes }) => wireBytes,
        (value) => `${(value / 1024 ** 2).toFixed(2)} MiB`,
      ),
    ]
  })
}
