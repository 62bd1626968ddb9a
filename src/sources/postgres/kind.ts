import { UsageError } from '../../errors.ts'
import { placeName } from '../engine-place.ts'
import type { Kind } from '../kind.ts'
import { nameProblem } from './names.ts'
import { postgresConfig } from './config-schema.ts'
import type { PostgresSourceConfig } from './config.ts'
import { postgresEngine } from './engine.ts'
import { postgresDiscovery } from './propose.ts'
import { selectTables } from './tables/select.ts'
import { postgresFacts, type PostgresFacts } from './facts.ts'

/** Databases of PostgreSQL, as others know them. */
export const postgresKind: Kind<PostgresSourceConfig, PostgresFacts> = {
  name: 'postgres',
  title: 'PostgreSQL',
  config: postgresConfig,
  paths: () => [],
  movedTo: (source) => source,
  describe: ({ databases, at }) =>
    `${databases === 'all' ? 'all databases' : databases.join(', ')} of PostgreSQL at ${placeName(at)}`,
  secrets: ({ password }) => ({ password }),
  capturedAs: (config, type) => ({ ...config, capture: type }),
  beside: (config, name) => {
    const problem = nameProblem(name)
    if (problem === undefined) return { ...config, beside: name }
    throw new UsageError(`--target: the name of a database ${problem}`)
  },
  partsOf: selectTables,
  mergedInto: (config, match) => ({ ...config, merge: match }),
  isWhole: true,
  facts: postgresFacts,
  discovery: postgresDiscovery,
  engine: postgresEngine,
  health: async () => (await import('./health.ts')).postgresHealth,
  capture: async () => (await import('./capture.ts')).postgresSource,
  restore: { by: 'load', open: async () => (await import('./restore.ts')).loadablePostgres },
}
