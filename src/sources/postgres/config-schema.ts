import { z } from 'zod'
import { addressProblem, checked, normaliseSecret, secret, text } from '../../config/contract.ts'
import { checks } from '../checks.ts'
import { CAPTURE_TYPES } from '../../model/config.ts'
import { isInContainer, placeOf, serverProblems } from '../database/config-rules.ts'
import type { KindConfig } from '../kind.ts'
import type { PostgresSourceConfig } from './config.ts'
import { nameProblem } from './names.ts'

const PORT = 5432
const EXAMPLES = { port: PORT, socket: '/run/postgresql' }

const name = (what: string) => checked(text(what), nameProblem)

const shape = {
  service: text('the service')
    .optional()
    .describe('The Compose service that runs it (needs services.manager: compose).'),
  container: text('the container').optional().describe('The container that runs it.'),
  address: checked(text('the address'), (value) => addressProblem(value, EXAMPLES))
    .optional()
    .describe(
      'host:port as seen from the server, or the directory of its socket: unix:/run/postgresql. Default 127.0.0.1:5432.',
    ),
  databases: z
    .union([z.literal('all'), z.array(name('the database')).min(1, 'name at least one database')], {
      error: 'write all, or a list of databases: [app]',
    })
    .optional()
    .describe("The databases. Default all: each but PostgreSQL's own."),
  credentials: z
    .enum(['container', 'env'], { error: 'must be container or env' })
    .optional()
    .describe(
      'container: user and password are what the environment of its container says (POSTGRES_USER, POSTGRES_PASSWORD, or their _FILE). That is the default for a service or container without `user`. env: they are what the .env of the deployment says (DATABASE_URL=postgres://user:password@host/name, whatever it is called; else POSTGRES_USER and POSTGRES_PASSWORD, or PGUSER and PGPASSWORD).',
    ),
  user: name('the user').optional().describe('The role to log in as.'),
  password: secret.optional().describe("The role's password."),
  capture: z
    .enum(CAPTURE_TYPES, { error: 'must be full, schema or data' })
    .optional()
    .describe('full (the default), or only the schema or the data: no backup to restore a database from.'),
  checks,
}

type PostgresInput = z.output<z.ZodObject<typeof shape>>

/** What the config file says of a PostgreSQL. */
export const postgresConfig: KindConfig<PostgresSourceConfig> = {
  description: 'Databases of a PostgreSQL server.',
  shape,
  rules: serverProblems,
  places: () => [],
  normalise: (input: PostgresInput, common, resolvePath) => ({
    ...common,
    kind: 'postgres',
    at: placeOf(input, PORT),
    databases: input.databases ?? 'all',
    byContainer:
      isInContainer(input) &&
      input.user === undefined &&
      input.password === undefined &&
      input.credentials !== 'env',
    ...(input.credentials === 'env' ? { byEnvironment: true } : {}),
    user: input.user,
    password: input.password && normaliseSecret(input.password, resolvePath),
    capture: input.capture ?? 'full',
    checks: input.checks ?? [],
  }),
}
