import { availableParallelism } from 'node:os'
import { defineConfig, type TestProjectConfiguration } from 'vitest/config'
import { SlowestFirst } from './test/lab/order.ts'

// Files that measure what others of this machine disturb (memory), or disturb others, run one at a time, after all others.
const ALONE = ['test/integration/crypto-memory.test.ts', 'test/e2e/large.test.ts', 'test/e2e/bench.test.ts']

const soaking = process.env['SOAK'] !== undefined

function project(
  name: string,
  groupOrder: number,
  options: {
    readonly include: string[]
    readonly exclude?: string[]
    readonly minutes: number
    readonly workers: number
    readonly isolate?: boolean
  },
): TestProjectConfiguration {
  const { include, exclude, minutes, workers, isolate = true } = options
  return {
    test: {
      name,
      include,
      ...(exclude === undefined ? {} : { exclude }),
      maxWorkers: workers,
      isolate,
      globalSetup: ['test/lab/set-up.ts'],
      sequence: { groupOrder },
      testTimeout: (soaking ? 180 : minutes) * 60_000,
      hookTimeout: 120_000,
    },
  }
}

// Unit tests first: they are the quickest to say what is wrong. Their files share processes, so that each module is loaded
// once in each: what a test changes of the process (a mock, a variable), it takes back. The others wait for servers two
// fifths of the time, so four of their files share two cores; with more, what they wait for comes too late on a loaded
// machine. No test is tried twice.
export default defineConfig({
  test: {
    sequence: { sequencer: SlowestFirst },
    projects: [
      project('unit', 0, {
        include: ['test/unit/**/*.test.ts'],
        minutes: 1,
        workers: availableParallelism(),
        isolate: false,
      }),
      project('integration', 1, {
        include: ['test/integration/**/*.test.ts'],
        exclude: ALONE,
        minutes: 4,
        workers: 4,
      }),
      project('e2e', 1, { include: ['test/e2e/**/*.test.ts'], exclude: ALONE, minutes: 10, workers: 4 }),
      project('alone', 2, { include: ALONE, minutes: 10, workers: 1 }),
    ],
  },
})
