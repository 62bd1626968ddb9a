import { appendFileSync } from 'node:fs'
import type { RunnerTask } from 'vitest'
import { beforeEach } from 'vitest'
import { TEST_TURN } from './runner.ts'

/** True in `npm run soak`: everything, instead of a share. */
export const soaking = process.env['SOAK'] !== undefined

/** What random moments come from; `npm run soak -- --seed N` repeats one. */
const SEED = Number(process.env['SOAK_SEED'] ?? 1)
/** How many rounds `npm run soak -- --rounds N` asked for. */
const ROUNDS = process.env['SOAK_ROUNDS'] === undefined ? undefined : Number(process.env['SOAK_ROUNDS'])
/** The number of the commit: which share it is. */
const TURN = Number(process.env[TEST_TURN] ?? 0) || 0
/** Of {@link everySecond} both, without the long forms. */
const both = process.env[TEST_TURN] === 'all'

/**
 * All of these in a soak; otherwise `size` of them. Which ones changes with every second commit, so that all are run
 * over time.
 */
export function share<T>(all: readonly T[], size: number): readonly T[] {
  if (soaking || all.length <= size) return all
  const parts = Math.ceil(all.length / size)
  // The turn's lowest bit chooses tests (below): by itself alone, two of a test that is run every second time would be one.
  return all.filter((_, at) => at % parts === Math.floor(TURN / 2) % parts)
}

/**
 * Of the tests of this file or block, which need nothing of each other and take long, every second one is run: with the
 * next commit the others, and all in a soak. The `first` ones are always run, and a test that is asked for by its name alone.
 * Call it before other hooks.
 */
export function everySecond(first = 0): void {
  beforeEach(({ task, skip }) => {
    const tests = asked.get(task.file) ?? testsOf(task.file.tasks).filter(({ mode }) => mode === 'run')
    asked.set(task.file, tests)
    const at = tests.indexOf(task)
    skip(!soaking && !both && tests.length > 1 && at >= first && at % 2 !== TURN % 2, 'with the next commit')
  })
}

/** The tests of a file that were to run before any was left out. */
const asked = new WeakMap<RunnerTask, readonly RunnerTask[]>()

function testsOf(tasks: readonly RunnerTask[]): RunnerTask[] {
  return tasks.flatMap((task) => (task.type === 'suite' ? testsOf(task.tasks) : [task]))
}

/** How often a random thing is done: `usual` times, or as the soak was told, else `long` times. */
export function rounds(usual: number, long: number): number {
  return soaking ? (ROUNDS ?? long) : usual
}

/** Random numbers from 0 to 1, the same again for the same seed and name. */
export function random(name: string): () => number {
  let state = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, SEED)
  return () => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A line of the table at a soak's end: what was done how often. */
export function tally(what: string, count: number): void {
  const file = process.env['SOAK_TALLY']
  if (file !== undefined) appendFileSync(file, `${what}\t${count}\n`)
}
