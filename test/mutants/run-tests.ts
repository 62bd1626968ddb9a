import { readFile, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { runNode } from './run-child.ts'

/** What a run of test files came to. */
export interface TestRun {
  readonly outcome: 'passed' | 'failed' | 'timed out' | 'broken'
  /** The first test that failed, or why the run is broken. */
  readonly detail: string
  /** Milliseconds, by test file. */
  readonly durations: ReadonlyMap<string, number>
}

interface VitestReport {
  readonly success: boolean
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly startTime: number
    readonly endTime: number
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

/**
 * Runs test files in a copy of the checkout, built first where they take the built program. `broken` when no test
 * could run: that proves nothing. `limit` is in milliseconds; with `all` it goes on after a test failed.
 */
export async function runTests(
  copy: string,
  tests: readonly string[],
  { limit, all }: { readonly limit: number; readonly all: boolean },
  signal: AbortSignal,
): Promise<TestRun> {
  const broken = (detail: string): TestRun => ({ outcome: 'broken', detail, durations: new Map() })
  if (tests.some((test) => test.startsWith('test/e2e/'))) {
    const built = await runNode(copy, ['scripts/build.js'], limit, signal)
    if (built.code !== 0) return broken(`it can't be built: ${lastLines(built.output)}`)
  }
  const file = join(copy, 'vitest-report.json')
  await rm(file, { force: true })
  const args = ['run', ...tests, ...(all ? [] : ['--bail=1']), '--reporter=json', `--outputFile=${file}`]
  const vitest = await runNode(copy, ['node_modules/vitest/vitest.mjs', ...args], limit, signal)
  if (vitest.timedOut) return { outcome: 'timed out', detail: 'a test hangs', durations: new Map() }
  const report = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text) as VitestReport,
    () => undefined,
  )
  if (report === undefined) return broken(`there is no report: ${lastLines(vitest.output)}`)
  const files = report.testResults
  const durations = new Map(files.map((one) => [relative(copy, one.name), one.endTime - one.startTime]))
  const missing = tests.filter((test) => !durations.has(test))
  if (all && missing.length > 0) return broken(`did not run: ${missing.join(', ')}`)
  const failed = files.flatMap((one) => one.assertionResults).find(({ status }) => status === 'failed')
  if (failed !== undefined) return { outcome: 'failed', detail: failed.fullName, durations }
  const ill = files.find(({ status }) => status === 'failed')
  if (ill !== undefined) return broken(`${relative(copy, ill.name)}: ${ill.message.split('\n')[0]}`)
  // An error that no test caught (an unhandled rejection) is told by the exit code alone.
  return vitest.code === 0
    ? { outcome: 'passed', detail: '', durations }
    : { outcome: 'failed', detail: lastLines(vitest.output), durations }
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-3).join(' / ')
}
