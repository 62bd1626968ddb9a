import { UsageError } from '../../errors.ts'
import { placeName } from '../engine-place.ts'
import type { Kind } from '../kind.ts'
import { mysqlConfig } from './config-schema.ts'
import type { MysqlSourceConfig } from './config.ts'
import { mysqlEngine } from './engine.ts'
import { mysqlFacts, type MysqlFacts } from './facts.ts'
import { nameProblem } from './names.ts'
import { mysqlDiscovery } from './propose.ts'

/** Databases of MySQL and MariaDB, as others know them. */
export const mysqlKind: Kind<MysqlSourceConfig, MysqlFacts> = {
  name: 'mysql',
  title: 'MySQL or MariaDB',
  config: mysqlConfig,
  paths: () => [],
  movedTo: (source) => source,
  describe: ({ databases, at }) =>
    `${databases === 'all' ? 'all databases' : databases.join(', ')} of MySQL or MariaDB at ${placeName(at)}`,
  secrets: ({ password }) => ({ password }),
  capturedAs: (config, type) => ({ ...config, capture: type }),
  beside: (config, name) => {
    const problem = nameProblem(name)
    if (problem === undefined) return { ...config, beside: name }
    throw new UsageError(`--target: the name of a database ${problem}`)
  },
  isWhole: true,
  facts: mysqlFacts,
  discovery: mysqlDiscovery,
  engine: mysqlEngine,
  health: async () => (await import('./health.ts')).mysqlHealth,
  capture: async () => (await import('./capture.ts')).mysqlSource,
  restore: { by: 'load', open: async () => (await import('./restore.ts')).loadableMysql },
}
