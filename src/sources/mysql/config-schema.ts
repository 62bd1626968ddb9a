import { z } from 'zod'
import { addressProblem, checked, normaliseSecret, secret, text } from '../../config/contract.ts'
import { CAPTURE_TYPES } from '../../model/config.ts'
import { checks } from '../checks.ts'
import { isInContainer, placeOf, serverProblems } from '../database/config-rules.ts'
import type { KindConfig } from '../kind.ts'
import type { MysqlSourceConfig } from './config.ts'
import { nameProblem } from './names.ts'

const PORT = 3306
const EXAMPLES = { port: PORT, socket: '/run/mysqld/mysqld.sock' }

/** Of an account, in characters. */
const LONGEST = 128
const account = checked(text('the user'), (value) =>
  /[\u0000-\u001f]/.test(value) || [...value].length > LONGEST
    ? `must be on one line, and of at most ${LONGEST} characters`
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
    .union(
      [
        z.literal('all'),
        z.array(checked(text('the database'), nameProblem)).min(1, 'name at least one database'),
      ],
      {
        error: 'write all, or a list of databases: [app]',
      },
    )
    .optional()
    .describe("The databases. Default all: each but the server's own."),
  users: z
    .boolean()
    .optional()
    .describe('Capture accounts and their grants, too, in an archive of their own. Default false.'),
  capture: z
    .enum(CAPTURE_TYPES, { error: 'must be full, schema or data' })
    .optional()
    .describe('full (the default), or only the schema or the data: no backup to restore a database from.'),
  checks,
  credentials: z
    .enum(['container'], { error: 'must be container' })
    .optional()
    .describe(
      'container: user and password are what the environment of its container says (MYSQL_ROOT_PASSWORD, MARIADB_ROOT_PASSWORD, their _FILE, or those of MYSQL_USER). That is the default for a service or container without `user`.',
    ),
  user: account.optional().describe('The account to log in as.'),
  password: secret.optional().describe("The account's password."),
}

type MysqlInput = z.output<z.ZodObject<typeof shape>>

/** What the config file says of a MySQL or MariaDB. */
export const mysqlConfig: KindConfig<MysqlSourceConfig> = {
  description: 'Databases of a MySQL or MariaDB server.',
  shape,
  rules: serverProblems,
  places: () => [],
  normalise: (input: MysqlInput, common, resolvePath) => ({
    ...common,
    kind: 'mysql',
    at: placeOf(input, PORT),
    databases: input.databases ?? 'all',
    users: input.users ?? false,
    byContainer: isInContainer(input) && input.user === undefined && input.password === undefined,
    user: input.user,
    password: input.password && normaliseSecret(input.password, resolvePath),
    capture: input.capture ?? 'full',
    checks: input.checks ?? [],
  }),
}
