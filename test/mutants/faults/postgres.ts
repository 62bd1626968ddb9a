import type { Fault } from '../fault.ts'

const TESTS = ['test/integration/postgres.test.ts']

export const postgres: readonly Fault[] = [
  {
    name: 'postgres-other-rows',
    what: 'a database that has other rows than were dumped is switched in',
    file: 'src/sources/postgres/restore.ts',
    find: `if (finding.outcome === 'failed')`,
    replace: `if (finding.outcome === 'ok')`,
    tests: TESTS,
  },
  {
    name: 'postgres-newer-dump',
    what: 'a dump of a newer version is loaded into an older server',
    file: 'src/sources/postgres/restore.ts',
    find: `const older = majorOf(look.version) < majorOf(facts.version)`,
    replace: `const older = false`,
    tests: TESTS,
  },
  {
    name: 'postgres-own-snapshot',
    what: 'a dump is of another moment than what is counted',
    file: 'src/sources/postgres/capture.ts',
    find: `\`--snapshot=\${snapshot}\``,
    replace: `'--no-sync'`,
    tests: TESTS,
  },
  {
    name: 'postgres-dump-cut',
    what: 'a dump that ends in the middle of its data passes',
    file: 'src/sources/postgres/archive.ts',
    find: `while (awaited.size > 0) {`,
    replace: `while (awaited.size > 1) {`,
    tests: ['test/unit/sources/postgres/archive.test.ts'],
  },
  {
    name: 'postgres-new-settings',
    what: 'a database that is made new has no settings and grants',
    file: 'src/sources/postgres/restore.ts',
    find: `else if (entries !== undefined) await applySettings`,
    replace: `else if (entries === undefined) await applySettings`,
    tests: TESTS,
  },
  {
    name: 'postgres-safety-schema',
    what: 'a database is replaced whose safety snapshot holds its schema alone',
    file: 'src/restore/safety.ts',
    find: `return [asFull(config)]`,
    replace: `return [config]`,
    tests: TESTS,
  },
  {
    name: 'postgres-schema-complete',
    what: 'a snapshot of a schema alone takes the place of a database',
    file: 'src/restore/plan.ts',
    find: `if (content === 'all' || (content === 'schema'`,
    replace: `if (content !== 'data' || (content === 'schema'`,
    tests: TESTS,
  },
  {
    name: 'postgres-check-ignored',
    what: 'a database that fails a check of the user is switched in',
    file: 'src/sources/postgres/restore.ts',
    find: `if (differs !== undefined)`,
    replace: `if (differs !== undefined && differs.outcome === 'ok')`,
    tests: TESTS,
  },
  {
    name: 'check-text-public',
    what: 'what a check says of people stands in the manifest',
    file: 'src/sources/checks.ts',
    find: `if (isPlain && says.length`,
    replace: `if (says.length`,
    tests: ['test/unit/sources/checks.test.ts'],
  },
  {
    name: 'check-differs-passes',
    what: 'a check that says otherwise than at the capture passes',
    file: 'src/sources/checks.ts',
    find: `return 'says' in found && found.says === expected.says`,
    replace: `return 'says' in found`,
    tests: ['test/unit/sources/checks.test.ts'],
  },
  {
    name: 'postgres-settings',
    what: 'settings and grants of a database are lost by a restore',
    file: 'src/sources/postgres/restore.ts',
    find: `if (model !== undefined) await copySettings`,
    replace: `if (model === undefined) await copySettings`,
    tests: TESTS,
  },
  {
    name: 'postgres-password-environment',
    what: "PostgreSQL's password stands in the environment of its client",
    file: 'src/sources/postgres/scripts/lib/postgres.sh',
    find: `  PGPASSFILE=/dev/fd/9
  export PGPASSFILE`,
    replace: `  PGPASSWORD=$pg_password
  export PGPASSWORD`,
    tests: TESTS,
  },
]
