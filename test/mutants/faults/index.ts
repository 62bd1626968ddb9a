import type { FaultTable } from '../fault.ts'
import { archive } from './archive.ts'
import { config } from './config.ts'
import { crypto } from './crypto.ts'
import { files } from './files.ts'
import { incremental } from './incremental.ts'
import { look } from './look.ts'
import { migrate } from './migrate.ts'
import { model } from './model.ts'
import { mysql } from './mysql.ts'
import { mysqlRestore } from './mysql-restore.ts'
import { operate } from './operate.ts'
import { postgres } from './postgres.ts'
import { pull } from './pull.ts'
import { redis } from './redis.ts'
import { remote } from './remote.ts'
import { restore } from './restore.ts'
import { retention } from './retention.ts'
import { secrets } from './secrets.ts'
import { services } from './services.ts'
import { vault } from './vault.ts'

/** Every fault made by hand. */
export const TABLE: FaultTable = {
  vault,
  retention,
  pull,
  incremental,
  archive,
  crypto,
  config,
  model,
  secrets,
  remote,
  files,
  restore,
  redis,
  mysql,
  mysqlRestore,
  postgres,
  operate,
  look,
  migrate,
  services,
}
