// What a change touches, in about two minutes: types, lint of what changed, the unit tests that import it, and for each
// area of src/ the files of the other projects that say most about it. `npm test` remains the judge.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Paths of src/ and the test files with real servers to run for them. */
const AREAS: readonly (readonly [RegExp, readonly string[]])[] = [
  [
    /^src\/(vault|retention|state|verify)\//,
    ['integration/vault-disk', 'integration/vault-crash', 'e2e/pull'],
  ],
  [/^src\/(archive|crypto)\//, ['integration/archive-pipe', 'integration/crypto-decryptor', 'e2e/pull']],
  [/^src\/remote\//, ['integration/remote-host', 'integration/remote-lease', 'e2e/bad-input-connection']],
  [/^src\/pull\//, ['e2e/pull', 'e2e/bad-input-redis']],
  [/^src\/sources\/files\//, ['e2e/hostile', 'e2e/pull']],
  [/^src\/sources\/redis\//, ['integration/redis-capture', 'e2e/redis-forms']],
  [/^src\/restore\/|scripts\/.*restore/, ['integration/restore-scripts-staging', 'e2e/restore']],
  [/^src\/migrate\//, ['integration/migrate-scripts', 'e2e/migrate']],
  [/^src\/services\/|scripts\/.*services/, ['integration/docker-look', 'e2e/compose-restore']],
  [/^src\/(config|cli|commands|secrets|report)\//, ['integration/config-commands', 'e2e/bad-input-usage']],
  [/^src\/demo\//, ['e2e/demo']],
]

const git = (...args: string[]) =>
  execFileSync('git', args, { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '')

const uncommitted = [
  ...git('diff', '--name-only', 'HEAD'),
  ...git('ls-files', '--others', '--exclude-standard'),
]
const base = process.argv[2] ?? (uncommitted.length > 0 ? 'HEAD' : 'HEAD~1')
const changed = [...new Set([...git('diff', '--name-only', base), ...uncommitted])].filter((path) =>
  existsSync(path),
)
if (changed.length === 0) {
  process.stdout.write(`Nothing differs from ${base}.\n`)
  process.exit(0)
}
const sources = changed.filter((path) => /\.(ts|js)$/.test(path))
const areas = AREAS.filter(([paths]) => changed.some((path) => paths.test(path)))
const files = new Set([
  ...areas.flatMap(([, tests]) => tests.map((name) => `test/${name}.test.ts`)),
  ...changed.filter((path) => /^test\/(integration|e2e)\/.*\.test\.ts$/.test(path)),
])

run('npm', 'run', '--silent', 'build')
run('npm', 'run', '--silent', 'typecheck')
run('prettier', '--check', '--ignore-unknown', ...changed)
if (sources.length > 0) run('eslint', ...sources)
run('vitest', 'run', '--project', 'unit', '--changed', base, '--passWithNoTests')
if (files.size > 0) run('vitest', 'run', ...files)

function run(program: string, ...args: string[]): void {
  const { status } = spawnSync(program, args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
