import { SourceError } from '../../errors.ts'
import type { LoadableSource } from '../contract.ts'
import type { MysqlSourceConfig } from './config.ts'
import type { MysqlFacts } from './facts.ts'
import { titleOf } from './server.ts'

const refuse = (_context: unknown, config: MysqlSourceConfig): Promise<never> =>
  Promise.reject(
    new SourceError('mysql-restore', `a dump is not put back into ${titleOf(config)} by this version`, {
      next: 'Load it by hand into a new database: gpg -d SOURCE.DATABASE.sql.zst.gpg | zstd -d | mariadb DATABASE',
    }),
  )

/** Refuses, with what to do instead. */
export const loadableMysql: LoadableSource<MysqlSourceConfig, MysqlFacts> = {
  preflight: refuse,
  targets: refuse,
  loader: refuse,
  load: refuse,
  check: refuse,
}
