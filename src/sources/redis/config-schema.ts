import { z } from 'zod'
import {
  addressProblem,
  checked,
  fields,
  isMap,
  normaliseRemotePath,
  normaliseSecret,
  parseAddress,
  remotePath,
  secret,
  text,
  type Fields,
  type Problem,
  type ResolvePath,
} from '../../config/contract.ts'
import type { KindConfig } from '../kind.ts'
import type { RedisSourceConfig, RedisTlsConfig, RedisTlsFile } from './config.ts'

/** Where Redis listens when the config does not say, as seen from the host. */
export const DEFAULT_ADDRESS = { address: '127.0.0.1', port: 6379, tls: false } as const

const EXAMPLES = { port: DEFAULT_ADDRESS.port, socket: '/run/redis/redis.sock' }

const tlsFile = () =>
  checked(text('the path'), (value) => (/[\n\r]/.test(value) ? 'must be on one line' : undefined))

const redisTls = z
  .strictObject({
    ca: tlsFile()
      .optional()
      .describe(
        "The certificates to trust. An absolute path is on the server; one that begins with ~/ or is relative to this file, on this machine. Default: those of the server's system.",
      ),
    cert: tlsFile()
      .optional()
      .describe('The client certificate, when Redis wants one; with `key`. Paths as for ca.'),
    key: tlsFile()
      .optional()
      .describe('Its private key. Paths as for ca; on this machine only you may read it (chmod 600).'),
    serverName: z
      .string()
      .regex(/^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?$/, 'not the name of a server')
      .optional()
      .describe('The name to ask for (SNI).'),
    insecure: z
      .boolean()
      .optional()
      .describe('Take every certificate, without looking at it. Default false.'),
  })
  .describe('What TLS needs.')

const shape = {
  path: remotePath().describe('The data directory of Redis, relative to the deployment, or absolute.'),
  service: text('the service')
    .optional()
    .describe('The Compose service that runs it (needs services.manager: compose).'),
  container: text('the container').optional().describe('The container that runs it.'),
  address: checked(text('the address'), (value) => addressProblem(value, EXAMPLES))
    .optional()
    .describe(
      'host:port as seen from the server, or a socket of it: unix:/run/redis/redis.sock. Default 127.0.0.1:6379.',
    ),
  tls: z
    .union([z.boolean(), redisTls], { error: 'write true, false, or what TLS needs: { ca: FILE }' })
    .optional()
    .describe('Speak TLS to `address`. Default false.'),
  username: text('the user').optional().describe('The Redis user. Default: the default user.'),
  password: secret.optional().describe('The Redis password.'),
  capture: z
    .enum(['rdb', 'aof', 'both'], { error: 'must be one of rdb, aof, both' })
    .optional()
    .describe('What to take: a point-in-time RDB, the append-only files, or both. Default rdb.'),
  startsWith: z
    .enum(['aof', 'rdb'], { error: 'must be aof or rdb' })
    .optional()
    .describe(
      'What Redis loads when it starts the next time: aof (appendonly yes) or rdb (appendonly no). Default: found out on the server; a restore asks for this key where that is impossible.',
    ),
}

type RedisInput = z.output<z.ZodObject<typeof shape>>

/** What the config file says of a Redis. */
export const redisConfig: KindConfig<RedisSourceConfig> = {
  description: 'A Redis server and its data directory.',
  shape,
  rules: tlsRules,
  places: ({ path }: Fields) => (typeof path === 'string' ? [{ path: ['path'], text: path }] : []),
  normalise: (input: RedisInput, common, resolvePath) => ({
    ...common,
    kind: 'redis',
    path: normaliseRemotePath(input.path),
    capture: input.capture ?? 'rdb',
    at: redisPlace(input, resolvePath),
    username: input.username,
    password: input.password && normaliseSecret(input.password, resolvePath),
    startsWith: input.startsWith,
  }),
}

function redisPlace(input: RedisInput, resolvePath: ResolvePath): RedisSourceConfig['at'] {
  if (input.service !== undefined) return { service: input.service }
  if (input.container !== undefined) return { container: input.container }
  const address = input.address === undefined ? undefined : parseAddress(input.address, DEFAULT_ADDRESS.port)
  if (address !== undefined && 'socket' in address) return address
  return { ...DEFAULT_ADDRESS, ...address, tls: redisTlsConfig(input.tls, resolvePath) }
}

/** An absolute path is on the server, where redis-cli runs; any other one is a path of the config like all others. */
function redisTlsConfig(tls: RedisInput['tls'], resolvePath: ResolvePath): boolean | RedisTlsConfig {
  if (tls === undefined || typeof tls === 'boolean') return tls ?? false
  const file = (path: string | undefined): RedisTlsFile | undefined =>
    path === undefined ? undefined : path.startsWith('/') ? { server: path } : { here: resolvePath(path) }
  return {
    ca: file(tls.ca),
    cert: file(tls.cert),
    key: file(tls.key),
    serverName: tls.serverName,
    insecure: tls.insecure ?? false,
  }
}

function tlsRules({ tls, address, service, container }: Fields): Problem[] {
  if (tls !== true && !isMap(tls)) return []
  const at = ['tls']
  if (service !== undefined || container !== undefined)
    return [{ path: at, at: 'key', message: 'works only with address' }]
  if (typeof address === 'string' && address.startsWith('unix:'))
    return [{ path: at, at: 'key', message: 'does not go together with a unix socket' }]
  const { cert, key } = fields(tls)
  if ((cert === undefined) === (key === undefined)) return []
  const [has, lacks] = cert === undefined ? ['key', 'cert'] : ['cert', 'key']
  return [
    {
      path: [...at, has],
      at: 'key',
      message: `needs ${lacks} beside it`,
      suggestion: 'Name the client certificate and its private key, or neither',
    },
  ]
}
