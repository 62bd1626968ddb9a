import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { copyOfCheckout } from './copy.ts'
import { runNode } from './run-child.ts'

/** Folders of src/ that are pure enough for their unit tests to say all. */
export const PURE_FOLDERS = ['retention', 'vault', 'archive', 'crypto', 'config', 'model'] as const

/** Milliseconds; the largest folder has thousands of mutants. */
const LONGEST_RUN = 12 * 3_600_000

/** Counts of one folder's mutants. */
export interface Score {
  readonly killed: number
  readonly survived: number
  readonly uncovered: number
  /** Killed of all that could be, in percent. */
  readonly percent: number
}

interface StrykerReport {
  readonly files: Readonly<Record<string, { readonly mutants: readonly { readonly status: string }[] }>>
}

/**
 * Lets StrykerJS make every fault it knows in the folders, one folder after the other, with the unit tests. The HTML and JSON
 * reports go to `reports`.
 */
export async function runStryker(
  checkout: string,
  folders: readonly string[],
  reports: string,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await using copy = await copyOfCheckout(checkout)
  for (const folder of folders) {
    const report = join(reports, `${folder}.json`)
    const config = {
      testRunner: 'vitest',
      vitest: { configFile: 'test/mutants/vitest.config.ts' },
      mutate: [`src/${folder}/**/*.ts`],
      coverageAnalysis: 'perTest',
      // What runs once when a module is loaded would cost all tests a mutant.
      ignoreStatic: true,
      // The first run, with all tests that come by; on a busy machine it takes minutes.
      dryRunTimeoutMinutes: 30,
      reporters: ['json', 'html'],
      jsonReporter: { fileName: report },
      htmlReporter: { fileName: join(reports, `${folder}.html`) },
    }
    await writeFile(join(copy.path, 'stryker.config.json'), JSON.stringify(config))
    const stryker = 'node_modules/@stryker-mutator/core/bin/stryker.js'
    const { code, output } = await runNode(copy.path, [stryker, 'run'], LONGEST_RUN, signal)
    if (code !== 0) throw new Error(`StrykerJS failed on ${folder}:\n${output}`)
    const { killed, survived, uncovered, percent } = scoreOf(
      JSON.parse(await readFile(report, 'utf8')) as StrykerReport,
    )
    say(
      `${folder}: ${percent.toFixed(1)} % (${killed} noticed, ${survived} not, ${uncovered} where no test comes by)`,
    )
  }
  say(`Which: ${reports}/FOLDER.html`)
}

function scoreOf({ files }: StrykerReport): Score {
  const statuses = Object.values(files).flatMap(({ mutants }) => mutants.map(({ status }) => status))
  const count = (...wanted: string[]) => statuses.filter((status) => wanted.includes(status)).length
  const killed = count('Killed', 'Timeout')
  const survived = count('Survived')
  const uncovered = count('NoCoverage')
  return { killed, survived, uncovered, percent: (100 * killed) / (killed + survived + uncovered) }
}
