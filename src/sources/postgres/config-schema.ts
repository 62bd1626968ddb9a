import { z } from 'zod'
import {
  addressProblem,
  checked,
  normaliseSecret,
  parseAddress,
  secret,
  text,
  type Fields,
  type Problem,
} from '../../config/contract.ts'
import { checks, checksProblems } from '../checks.ts'
import { CAPTURE_TYPES } from '../../model/config.ts'
import type { EnginePlace, KindConfig } from '../kind.ts'
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
    .enum(['container'], { error: 'must be container' })
    .optional()
    .describe(
      'container: user and password are what the environment of its container says (POSTGRES_USER, POSTGRES_PASSWORD, or their _FILE). That is the default for a service or container without `user`.',
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
  rules,
  places: () => [],
  normalise: (input: PostgresInput, common, resolvePath) => ({
    ...common,
    kind: 'postgres',
    at: place(input),
    databases: input.databases ?? 'all',
    byContainer: isInContainer(input) && input.user === undefined && input.password === undefined,
    user: input.user,
    password: input.password && normaliseSecret(input.password, resolvePath),
    capture: input.capture ?? 'full',
    checks: input.checks ?? [],
  }),
}

const isInContainer = ({ service, container }: Pick<Fields, string>): boolean =>
  service !== undefined || container !== undefined

function place({ service, container, address }: PostgresInput): EnginePlace {
  if (service !== undefined) return { service }
  if (container !== undefined) return { container }
  const parsed = address === undefined ? undefined : parseAddress(address, PORT)
  return parsed ?? { address: '127.0.0.1', port: PORT }
}

function rules(source: Fields): Problem[] {
  const { credentials, user, password, databases } = source
  const problems: Problem[] = []
  if (credentials !== undefined && !isInContainer(source))
    problems.push({ path: ['credentials'], at: 'key', message: 'works only with service or container' })
  if (credentials !== undefined && (user !== undefined || password !== undefined)) {
    problems.push({
      path: ['credentials'],
      at: 'key',
      message: 'does not go together with user and password',
      suggestion: 'Keep one of the two',
    })
  }
  if (password !== undefined && user === undefined)
    problems.push({ path: ['password'], at: 'key', message: 'needs user beside it' })
  const isOne = Array.isArray(databases) && databases.length === 1
  problems.push(...checksProblems(source, isOne, 'databases: [app]'))
  if (Array.isArray(databases)) {
    const twice = databases.findIndex((each, at) => databases.indexOf(each) !== at)
    if (twice !== -1) problems.push({ path: ['databases', twice], message: 'is named twice' })
  }
  return problems
}
