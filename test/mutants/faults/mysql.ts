import type { Fault } from '../fault.ts'

const TESTS = ['test/integration/mysql.test.ts']
const UNIT = ['test/unit/sources/mysql/dump-reader.test.ts', 'test/unit/sources/mysql/settle.test.ts']

export const mysql: readonly Fault[] = [
  {
    name: 'mysql-no-end',
    what: 'a dump that was cut counts as whole',
    file: 'src/sources/mysql/capture.ts',
    find: `!reader.begun || !reader.ended`,
    replace: `!reader.begun`,
    tests: TESTS,
  },
  {
    name: 'mysql-rows-in-text',
    what: 'text that looks like rows is counted',
    file: 'src/sources/mysql/dump-reader.ts',
    find: `if (byte === escape) at += 1`,
    replace: `if (byte === NEWLINE) at += 1`,
    tests: UNIT,
  },
  {
    name: 'mysql-missing-table',
    what: 'a dump without one of the tables counts as whole',
    file: 'src/sources/mysql/settle.ts',
    find: `if (missing !== undefined) return { missing }`,
    replace: `if (missing === '') return { missing }`,
    tests: UNIT,
  },
  {
    name: 'mysql-emptied',
    what: 'a table that was emptied while it was dumped is not noticed',
    file: 'src/sources/mysql/settle.ts',
    find: `|| isRemade(object, before, after)`,
    replace: ``,
    tests: UNIT,
  },
  {
    name: 'mysql-privileges',
    what: 'what an account may not see is left out without a word',
    file: 'src/sources/mysql/capture.ts',
    find: `.find(({ missing }) => missing.length > 0)`,
    replace: `.find(({ missing }) => missing.length > 9)`,
    tests: TESTS,
  },
  {
    name: 'mysql-password-environment',
    what: "the password stands in the environment of MySQL's client",
    file: 'src/sources/mysql/scripts/lib/mysql.sh',
    find: `unset mysql_password mysql_value MYSQL_PWD`,
    replace: `MYSQL_PWD=$mysql_password; export MYSQL_PWD
unset mysql_password mysql_value`,
    tests: TESTS,
  },
]
