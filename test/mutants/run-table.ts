import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { copyOfCheckout } from './copy.ts'
import { withFault, type Fault } from './fault.ts'
import { runTests } from './run-tests.ts'

/** A run without a fault; beyond it something hangs. */
const LONGEST_RUN = 3_600_000

/**
 * Puts one fault after the other into a copy of the checkout and runs its tests. Returns the names of those that no
 * test noticed. Throws when a fault's text is not in the source, or when its tests fail without it.
 */
export async function runTable(
  checkout: string,
  faults: readonly Fault[],
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<string[]> {
  await using copy = await copyOfCheckout(checkout)
  const texts = await faultyTexts(copy.path, faults)

  const tests = [...new Set(faults.flatMap((fault) => fault.tests))].sort()
  say(`${faults.length} faults; first their ${tests.length} test files without any`)
  const sound = await runTests(copy.path, tests, { limit: LONGEST_RUN, all: true }, signal)
  if (sound.outcome !== 'passed') throw new Error(`the tests fail without a fault: ${sound.detail}`)

  const unnoticed: string[] = []
  for (const fault of faults) {
    const path = join(copy.path, fault.file)
    const text = await readFile(path, 'utf8')
    const began = Date.now()
    await writeFile(path, texts.get(fault) ?? text)
    const usual = fault.tests.reduce((sum, test) => sum + (sound.durations.get(test) ?? 0), 0)
    const run = await runTests(copy.path, fault.tests, { limit: usual * 3 + 60_000, all: false }, signal)
    await writeFile(path, text)
    if (run.outcome === 'broken') throw new Error(`${fault.name}: its tests can't run: ${run.detail}`)
    const seconds = `${((Date.now() - began) / 1000).toFixed(0)} s`
    if (run.outcome === 'passed') {
      unnoticed.push(fault.name)
      say(`NOT NOTICED  ${fault.name} (${seconds}): ${fault.what} [${fault.file}]`)
    } else say(`noticed      ${fault.name} (${seconds}): ${run.detail.split('\n')[0]}`)
  }
  say(`${faults.length - unnoticed.length} of ${faults.length} noticed`)
  return unnoticed
}

/** The files' texts with their faults. All that is out of date is told at once. */
async function faultyTexts(copy: string, faults: readonly Fault[]): Promise<ReadonlyMap<Fault, string>> {
  const texts = new Map<Fault, string>()
  const problems: string[] = []
  for (const fault of faults) {
    try {
      texts.set(fault, withFault(await readFile(join(copy, fault.file), 'utf8'), fault))
      for (const test of fault.tests) await readFile(join(copy, test))
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      problems.push(message.startsWith(fault.name) ? message : `${fault.name}: ${message}`)
    }
  }
  if (problems.length > 0) throw new Error(problems.join('\n'))
  return texts
}
