import { isOlder } from '../../model/version-order.ts'
import type { EngineVersion, KindEngine } from '../kind.ts'
import type { MysqlSourceConfig } from './config.ts'
import type { MysqlFacts } from './facts.ts'
import { parseClientVersion } from './version.ts'

/** What others must know of the server itself. */
export const mysqlEngine: KindEngine<MysqlSourceConfig, MysqlFacts> = {
  place: ({ at }) => at,
  programs: ['mariadbd', 'mysqld'],
  passwordOptions: ['\\b(?:mysql|mariadb)[a-z-]*\\b[^;&|]*\\s-p(?!\\d+:\\d)', '\\b(?:MYSQL_PWD|mysql_pwd)='],
  parseVersion: (said) => {
    const found = parseClientVersion(said)
    return found === undefined
      ? undefined
      : { name: `${found.family} ${found.version}`, version: found.version }
  },
  judgeMove: (from, to) => {
    const family = ({ name }: EngineVersion): string => name.split(' ')[0] ?? ''
    if (family(from) !== family(to)) return 'rehearse'
    if (isOlder(to.version, from.version)) return 'refused'
    const release = ({ version }: EngineVersion): string => version.split('.').slice(0, 2).join('.')
    return release(from) === release(to) ? undefined : 'rehearse'
  },
  versionCheck: 'mysql-version',
  stoppedCode: 'mysql-stopped',
  // What was committed is in its log before the commit is acknowledged.
  isDurable: () => true,
  savedAt: () => 0,
  isSaved: () => true,
  withTold: (stopped) => stopped,
  unsaved: {
    code: 'mysql-not-saved',
    next: (host) => `Let hosts.${host}.services.stop stop the database server in order.`,
    durably: 'stop the database server in order',
  },
}
