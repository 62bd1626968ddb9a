import { describe, expect, test } from 'vitest'
import { dumperOf, dumpOptions, parseClients, speakerOf } from '../../../../src/sources/mysql/clients.ts'
import { failure } from '../../../../src/sources/mysql/server.ts'
import { isTooOld, parseClientVersion, parseServerVersion } from '../../../../src/sources/mysql/version.ts'

test.each([
  ['mysqldump  Ver 10.13 Distrib 5.7.44, for Linux (x86_64)', 'MySQL', '5.7.44'],
  ['mysql  Ver 14.14 Distrib 5.7.44, for Linux (x86_64) using  EditLine wrapper', 'MySQL', '5.7.44'],
  ['mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)', 'MySQL', '8.0.36'],
  ['mysql  Ver 8.4.3 for Linux on aarch64 (MySQL Community Server - GPL)', 'MySQL', '8.4.3'],
  ['mysqldump  Ver 26.1.0 for Linux on x86_64 (MySQL Community Server - GPL)', 'MySQL', '26.1.0'],
  [
    'mysqldump  Ver 8.0.36-28 for Linux on x86_64 (Percona Server (GPL), Release 28, Revision 47601f19)',
    'MySQL',
    '8.0.36',
  ],
  ['mariadb-dump  Ver 10.19 Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)', 'MariaDB', '10.11.6'],
  ['mysqldump  Ver 10.19 Distrib 10.5.23-MariaDB, for debian-linux-gnu (x86_64)', 'MariaDB', '10.5.23'],
  [
    'mysql  Ver 15.1 Distrib 10.5.23-MariaDB, for debian-linux-gnu (x86_64) using  EditLine wrapper',
    'MariaDB',
    '10.5.23',
  ],
  ['mariadb-dump from 11.4.2-MariaDB, client 10.19 for debian-linux-gnu (x86_64)', 'MariaDB', '11.4.2'],
  [
    '/usr/bin/mariadb from 12.0.2-MariaDB, client 15.2 for linux-systemd (x86_64) using readline 5.1',
    'MariaDB',
    '12.0.2',
  ],
])('%s', (said, family, version) => {
  expect(parseClientVersion(said)).toEqual({ family, version })
})

test.each([
  ['8.0.36', 'MySQL Community Server - GPL', 'MySQL', '8.0.36'],
  ['5.7.44-log', 'MySQL Community Server (GPL)', 'MySQL', '5.7.44'],
  ['8.0.36-0ubuntu0.22.04.1', '(Ubuntu)', 'MySQL', '8.0.36'],
  ['10.11.6-MariaDB-0+deb12u1', 'Debian 12', 'MariaDB', '10.11.6'],
  ['5.5.5-10.5.23-MariaDB-1:10.5.23+maria~ubu2004', 'mariadb.org binary distribution', 'MariaDB', '10.5.23'],
  ['11.8.2', 'MariaDB Server', 'MariaDB', '11.8.2'],
])('a server that is %s', (version, comment, family, number) => {
  expect(parseServerVersion(version, comment)).toEqual({ family, version: number })
})

const MYSQL_5 = 'mysqldump\tmysqldump  Ver 10.13 Distrib 5.7.44, for Linux (x86_64)'
const MYSQL_8 = 'mysqldump\tmysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)'
const MARIADB_11 =
  'mariadb-dump\tmariadb-dump from 11.4.2-MariaDB, client 10.19 for debian-linux-gnu (x86_64)'
const speaker = 'mariadb\tmariadb from 11.4.2-MariaDB, client 15.2 for debian-linux-gnu (x86_64)'

describe('which of its programs dumps', () => {
  const server = { family: 'MySQL', version: '8.0.11' } as const
  const chosen = (...lines: readonly string[]) => dumperOf(parseClients(lines.join('\n')), server, 'It')

  test("one of the server's own family, whatever is newer", () => {
    expect(chosen(MARIADB_11, MYSQL_8)).toMatchObject({ program: 'mysqldump', version: '8.0.36' })
    expect(chosen(MARIADB_11)).toMatchObject({ program: 'mariadb-dump', family: 'MariaDB' })
  })

  test('none is refused, and one that is older than the server', () => {
    expect(() => chosen(speaker)).toThrow(expect.objectContaining({ code: 'mysql-client-missing' }))
    expect(() => chosen(MYSQL_5)).toThrow(expect.objectContaining({ code: 'mysql-client-old' }))
    expect(() => speakerOf(parseClients(MYSQL_8), 'It')).toThrow(/neither mariadb nor mysql/)
    expect(speakerOf(parseClients(`${MYSQL_8}\n${speaker}`), 'It').program).toBe('mariadb')
    expect(isTooOld({ family: 'MySQL', version: '8.0.11' }, { family: 'MySQL', version: '8.0.36' })).toBe(
      false,
    )
  })

  test('GTIDs and statistics are only said to a client that knows them', () => {
    const options = (line: string): string[] => dumpOptions(parseClients(line)[0]!, '-x')
    const said = (line: string): string[] => options(line).filter((option) => /gtid|statistics/.test(option))
    expect(said(MARIADB_11)).toEqual([])
    expect(said(MYSQL_5)).toEqual(['--set-gtid-purged=OFF'])
    expect(said(MYSQL_8)).toEqual(['--set-gtid-purged=OFF', '--column-statistics=0'])
    expect(options(MYSQL_8).slice(-2)).toEqual(['--', '-x'])
  })
})

test.each([
  ["ERROR 1045 (28000): Access denied for user 'x'@'localhost' (using password: YES)", 'mysql-login'],
  [
    "mysqldump: Got error: 1045: Access denied for user 'x'@'localhost' (using password: YES) when trying to connect",
    'mysql-login',
  ],
  ["ERROR 1698 (28000): Access denied for user 'root'@'localhost'", 'mysql-login'],
  [
    "mysqldump: Got error: 1049: Unknown database 'nowhere' when selecting the database",
    'mysql-database-missing',
  ],
  [
    'mariadb-dump: Got error: 1049: "Unknown database \'x\'" when selecting the database',
    'mysql-database-missing',
  ],
  [
    "mysqldump: Couldn't execute 'show events': Access denied for user 'x'@'%' to database 'a' (1044)",
    'mysql-privilege',
  ],
  ["ERROR 1142 (42000) at line 1: SELECT command denied to user 'x'@'%' for table 'user'", 'mysql-privilege'],
  [
    "mysqldump: Error: 'Access denied; you need (at least one of) the PROCESS privilege(s) for this operation' (1227)",
    'mysql-privilege',
  ],
  [
    'mysqldump: Error 1412: Table definition has changed, please retry transaction when dumping table `t` at row: 0',
    'mysql-changed',
  ],
  [
    'mysqldump: Error 2013: Lost connection to MySQL server during query when dumping table `t` at row: 7',
    'mysql-gone',
  ],
  ["ERROR 2002 (HY000): Can't connect to local server through socket '/x' (2)", 'mysql-down'],
  ["ERROR 2059 (HY000): Authentication plugin 'caching_sha2_password' cannot be loaded", 'mysql-client-old'],
  ["mysqldump: unknown variable 'column-statistics=0'", 'mysql-client-old'],
  ['', 'mysql-failed'],
])('a failure that says: %s', (stderr, code) => {
  expect(failure({ title: 'It' }, 'dump x', { status: 2, stderr, command: 'mysqldump' })).toMatchObject({
    code,
  })
})
