import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Set for every test process: this run's temporary files, and nobody else's, are below it. */
export const TEST_RUN = 'RELAY_BACKUP_TEST_RUN'

/** Set for every test process: a number that chooses which share of the long tests is run (`soak.ts`). */
export const TEST_TURN = 'RELAY_BACKUP_TEST_TURN'

/** Arguments of `spawn` with which a server ends with the process that started it, however that one ends. */
export function withRunner(program: string, args: readonly string[]): [string, string[]] {
  return ['setpriv', ['--pdeathsig', 'TERM', program, ...args]]
}

/** Where a program of the tests' PATH lies. Throws when it is none that `programs.ts` names. */
export function programPath(name: string): string {
  const folder = (process.env['PATH'] ?? '').split(delimiter).find((each) => existsSync(join(each, name)))
  if (folder === undefined)
    throw new Error(`no ${name} on the tests' PATH: declare it in test/lab/programs.ts`)
  return join(folder, name)
}
