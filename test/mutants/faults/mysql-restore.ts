import type { Fault } from '../fault.ts'

const TESTS = ['test/integration/mysql-restore.test.ts']

export const mysqlRestore: readonly Fault[] = [
  {
    name: 'mysql-aside-events',
    what: 'events of the database that was set aside go on running',
    file: 'src/sources/mysql/scripts/loader.sh',
    find: 'loader_events=$events_off ;;',
    replace: 'loader_events=$events_on ;;',
    tests: TESTS,
  },
  {
    name: 'mysql-half-renamed',
    what: 'a rename that died when the tables were moved is not ended',
    file: 'src/sources/mysql/scripts/loader.sh',
    find: '  loader_remake "$2" others\n',
    replace: '',
    tests: TESTS,
  },
  {
    name: 'mysql-definer-passes',
    what: 'a definer that the server lacks is not told before a restore',
    file: 'src/sources/mysql/preflight.ts',
    find: 'if (missing.length > 0)',
    replace: 'if (missing.length > 99)',
    tests: TESTS,
  },
]
