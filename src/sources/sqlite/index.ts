import type { CapturableSource } from '../contract.ts'
import { captureSqlite, lookAtSqlite } from './capture.ts'
import type { SqliteSourceConfig } from './config.ts'

/** SQLite databases, copied on their server while others write to them. */
export const sqliteSource: CapturableSource<SqliteSourceConfig> = {
  look: lookAtSqlite,
  capture: captureSqlite,
}
