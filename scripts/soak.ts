// Runs the long forms of the tests: every cut instead of a share, many random ones, the full sizes.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

/** Files with a long form, by the name that chooses them. */
const SOAKS: Readonly<Record<string, readonly string[]>> = {
  pull: ['test/e2e/chaos.test.ts', 'test/e2e/incremental.test.ts', 'test/unit/pull/incremental.test.ts'],
  restore: ['test/e2e/restore-chaos.test.ts', 'test/integration/restore-scripts-crash.test.ts'],
  migrate: ['test/e2e/migrate-chaos.test.ts', 'test/e2e/compose-migrate.test.ts'],
  services: [
    'test/integration/docker-services.test.ts',
    'test/integration/quiesce-services.test.ts',
    'test/e2e/compose-which.test.ts',
    'test/e2e/helper-restore.test.ts',
    'test/e2e/quiesce.test.ts',
  ],
  input: ['test/e2e/restore-bad-input.test.ts', 'test/e2e/docker-bad-input.test.ts'],
  vault: ['test/integration/vault-crash.test.ts'],
  rekey: ['test/integration/key-rotate.test.ts'],
  large: ['test/e2e/large.test.ts'],
  package: ['test/e2e/package.test.ts'],
  databases: ['test/e2e/mysql.test.ts'],
}

/** The other soaks: programs of their own. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  faults: [process.execPath, 'test/mutants/main.ts', '--table'],
}

const ALL = [...Object.keys(SOAKS), ...Object.keys(PROGRAMS)]

const HELP = `npm run soak [-- NAME…] [-- --rounds N] [-- --seed N]
  NAME      ${ALL.join(', ')}; default: all
  --rounds  how often each random thing is done (default: each test's own number)
  --seed    repeats the random moments of an earlier soak
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
})
const unknown = positionals.filter((name) => !ALL.includes(name))
const numbers = [values.rounds, values.seed].filter((text) => text !== undefined)
if (values.help === true || unknown.length > 0 || numbers.some((text) => !/^\d+$/.test(text))) {
  process.stderr.write(HELP)
  process.exit(values.help === true ? 0 : 2)
}

const names = positionals.length > 0 ? positionals : ALL
const seed = values.seed ?? String(Date.now() % 1_000_000_000)
process.stdout.write(`seed ${seed}\n`)
const folder = mkdtempSync(join(tmpdir(), 'soak-'))
const rows: (readonly string[])[] = []
try {
  for (const name of names) {
    const tally = join(folder, name)
    writeFileSync(tally, '')
    const started = Date.now()
    const [program = 'vitest', ...args] = PROGRAMS[name] ?? ['vitest', 'run', ...(SOAKS[name] ?? [])]
    const { status } = spawnSync(program, args, {
      stdio: 'inherit',
      env: {
        ...process.env,
        SOAK: '1',
        SOAK_SEED: seed,
        SOAK_TALLY: tally,
        ...(values.rounds === undefined ? {} : { SOAK_ROUNDS: values.rounds }),
      },
    })
    const took = `${Math.round((Date.now() - started) / 1000)} s`
    rows.push([name, status === 0 ? 'passed' : 'FAILED', took, ''])
    for (const line of readFileSync(tally, 'utf8').split('\n').filter(Boolean)) {
      const [what = '', count = ''] = line.split('\t')
      rows.push(['', '', count, what])
    }
    if (status !== 0) process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true })
}
process.stdout.write(`\nseed ${seed}\n`)
for (const [name = '', outcome = '', number = '', what = ''] of rows) {
  process.stdout.write(
    `${name.padEnd(10)}${outcome.padEnd(8)}${number.padStart(8)}  ${what}`.trimEnd() + '\n',
  )
}
