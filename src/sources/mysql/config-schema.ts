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
import type { EnginePlace, KindConfig } from '../kind.ts'
import type { MysqlSourceConfig } from './config.ts'

const PORT = 3306
const EXAMPLES = { port: PORT, socket: '/run/mysqld/mysqld.sock' }

const name = (what: string, longest: number) =>
  checked(text(what), (value) =>
    /[\u0000-\u001f]/.test(value) || [...value].length > longest
      ? `must be on one line, and of at most ${longest} characters`
      : undefined,
  )

const shape = {
  service: text('the service')
    .optional()
    .describe('The Compose service that runs it (needs services.manager: compose).'),
  container: text('the container').optional().describe('The container that runs it.'),
  address: checked(text('the address'), (value) => addressProblem(value, EXAMPLES))
    .optional()
    .describe(
      'host:port as seen from the server, or its socket: unix:/run/mysqld/mysqld.sock. Default 127.0.0.1:3306.',
    ),
  databases: z
    .union([z.literal('all'), z.array(name('the database', 64)).min(1, 'name at least one database')], {
      error: 'write all, or a list of databases: [app]',
    })
    .optional()
    .describe("The databases. Default all: each but the server's own."),
  users: z
    .boolean()
    .optional()
    .describe('Capture accounts and their grants, too, in an archive of their own. Default false.'),
  capture: z
    .enum(['full'], { error: 'must be full' })
    .optional()
    .describe('What of the databases: full (the default) is definitions and rows.'),
  credentials: z
    .enum(['container'], { error: 'must be container' })
    .optional()
    .describe(
      'container: user and password are what the environment of its container says (MYSQL_ROOT_PASSWORD, MARIADB_ROOT_PASSWORD, their _FILE, or those of MYSQL_USER). That is the default for a service or container without `user`.',
    ),
  user: name('the user', 128).optional().describe('The account to log in as.'),
  password: secret.optional().describe("The account's password."),
}

type MysqlInput = z.output<z.ZodObject<typeof shape>>

/** What the config file says of a MySQL or MariaDB. */
export const mysqlConfig: KindConfig<MysqlSourceConfig> = {
  description: 'Databases of a MySQL or MariaDB server.',
  shape,
  rules,
  places: () => [],
  normalise: (input: MysqlInput, common, resolvePath) => ({
    ...common,
    kind: 'mysql',
    at: place(input),
    databases: input.databases ?? 'all',
    users: input.users ?? false,
    byContainer: isInContainer(input) && input.user === undefined && input.password === undefined,
    user: input.user,
    password: input.password && normaliseSecret(input.password, resolvePath),
  }),
}

const isInContainer = ({ service, container }: Pick<Fields, string>): boolean =>
  service !== undefined || container !== undefined

function place({ service, container, address }: MysqlInput): EnginePlace {
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
  if (Array.isArray(databases)) {
    const twice = databases.findIndex((each, at) => databases.indexOf(each) !== at)
    if (twice !== -1) problems.push({ path: ['databases', twice], message: 'is named twice' })
  }
  return problems
}
