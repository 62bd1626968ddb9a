import { z } from 'zod'
import { excludePatternProblem } from '../model/exclude-pattern.ts'
import { NAME_PATTERN } from '../model/names.ts'
import { parseDuration } from '../model/units.ts'
import { addressProblem, targetProblem } from './address.ts'
import { deploymentProblem, sourcePathProblem } from './remote-path.ts'

// The shape of hosts.yaml. Validation only: nothing is changed here (see normalise.ts), and what spans several
// keys is in rules.ts. Messages never repeat a value of the file, since any value may be a misplaced secret.

const DURATION = /^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/
const COMPRESSION = /^(auto|none|zstd(:([1-9]|1[0-9]))?|gzip(:[1-9])?)$/

/** A text with a rule that a pattern can't say: `problemOf` returns what is wrong, or undefined. */
const checked = (base: z.ZodString, problemOf: (value: string) => string | undefined) =>
  base.superRefine((value, context) => {
    const message = problemOf(value)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  })

const text = (what: string) =>
  checked(z.string().min(1, { error: `${what} must not be empty`, abort: true }), (value) =>
    value.includes('\0') ? `${what} must not contain a NUL character` : undefined,
  )

const MAX_DURATION = 100 * 365 * 86_400_000
const duration = () =>
  checked(z.string().regex(DURATION, 'not a duration; write it like 90s, 20h, 7d or 1h30m'), (value) => {
    const ms = parseDuration(value)
    return ms !== undefined && (ms === 0 || ms > MAX_DURATION)
      ? 'must be longer than 0 and at most 100 years'
      : undefined
  })
const count = () => z.int('must be a whole number').min(1, 'must be at least 1').max(100_000)

/** A file on this machine. */
const localPath = () => text('the path')

/** The id in the registry by which schema-problems.ts knows a secret. */
export const SECRET_ID = 'secret'
/** One instance, so that the JSON Schema defines it once. Its message is fixed: a literal is never repeated. */
const secret = z
  .union(
    [
      z
        .strictObject({ keychain: z.string().regex(/^[^/]+\/.+$/, 'write it as service/account') })
        .describe("The operating system's keychain: service/account. Store it with: relay-backup secret set"),
      z
        .strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not a name of a variable') })
        .describe('The name of an environment variable that holds the secret.'),
      z
        .strictObject({ file: localPath() })
        .describe('A file that holds the secret and that only you can read (chmod 600).'),
      z
        .strictObject({ command: text('the command') })
        .describe('A command of this machine that prints the secret.'),
    ],
    { error: 'not a secret reference' },
  )
  .meta({ id: SECRET_ID })

const retention = (description: string) =>
  z
    .strictObject({
      last: count().optional().describe('The newest so many snapshots stay.'),
      daily: count().optional().describe('The newest snapshot of each of so many days stays.'),
      weekly: count().optional().describe('The newest snapshot of each of so many weeks stays.'),
      monthly: count().optional().describe('The newest snapshot of each of so many months stays.'),
      yearly: count().optional().describe('The newest snapshot of each of so many years stays.'),
      within: duration().optional().describe('Everything younger than this stays: 30d.'),
      safety: duration()
        .optional()
        .describe('How long the copies that a restore makes of what it replaces stay. Default 14d.'),
    })
    .describe(description)

const compression = () =>
  z
    .string()
    .regex(
      COMPRESSION,
      'not a compression; write auto, none, zstd, zstd:1 to zstd:19, gzip, or gzip:1 to gzip:9',
    )
    .describe('auto | zstd[:1-19] | gzip[:1-9] | none. Default auto: what the server can do, best first.')

const runTimeout = () =>
  duration()
    .optional()
    .describe(
      'A run that takes longer is ended in order, so that none holds its locks for ever. Default 24h.',
    )

const fullEvery = () =>
  z
    .int('must be a whole number')
    .min(0, 'must be 0 or more')
    .max(10_000)
    .describe('Incremental snapshots before the next full one. Default 30.')

const sshObject = z.strictObject({
  host: text('the host').optional().describe('Name or address of the server, or an alias of ~/.ssh/config.'),
  port: z
    .int('must be a whole number')
    .min(1, 'a port is 1 to 65535')
    .max(65_535, 'a port is 1 to 65535')
    .optional()
    .describe('Default 22.'),
  user: text('the user').optional().describe('The user to log in as. Default: your local user name.'),
  identityFile: localPath()
    .optional()
    .describe('The SSH private key. Default: the agent, then the usual keys of ~/.ssh.'),
  identityPassphrase: secret.optional().describe("The private key's passphrase."),
  agent: z
    .union([z.boolean(), localPath()], { error: "write true, false, or the path of the agent's socket" })
    .optional()
    .describe(
      'true: the agent of $SSH_AUTH_SOCK; false: never; a path: that socket. Default: used when there is one.',
    ),
  password: secret.optional().describe('The password to log in with, for servers that take no key.'),
  knownHosts: localPath().optional().describe('The file of known host keys. Default ~/.ssh/known_hosts.'),
  keepAlive: duration().optional().describe('Time between keep-alive messages. Default 10s.'),
  connectTimeout: duration().optional().describe('How long to wait for a connection. Default 20s.'),
})

const ssh = (description: string) =>
  z
    .union([checked(z.string(), targetProblem), sshObject], {
      error: 'write user@host, user@host:port, or the long form with the key `host`',
    })
    .describe(description)

const health = () =>
  z
    .strictObject({
      url: z
        .string()
        .regex(/^https?:\/\/./, 'must begin with http:// or https://')
        .describe("Asked from the server's side, through the SSH connection."),
      timeout: duration().optional().describe('How long it may take to become healthy. Default 60s.'),
    })
    .optional()
    .describe('The address that answers when the app is well.')

const nameList = () => z.array(text('the name'))

const services = z
  .discriminatedUnion('manager', [
    z.strictObject({ manager: z.literal('none'), health: health() }).describe('Nothing to stop or start.'),
    z
      .strictObject({
        manager: z.literal('compose'),
        file: text('the file')
          .optional()
          .describe(
            'The Compose file, relative to the deployment. Default: those that the containers were made from, else what Compose finds there.',
          ),
        project: text('the project')
          .optional()
          .describe(
            'The Compose project. Default: the one whose containers were made there, else what Compose calls it.',
          ),
        data: nameList().optional().describe('Services that hold data and start first: [redis].'),
        stop: nameList()
          .optional()
          .describe('Services to stop during a restore. Default: those that use the sources.'),
        health: health(),
      })
      .describe('Docker Compose.'),
    z
      .strictObject({
        manager: z.literal('docker'),
        data: nameList().optional().describe('Containers that hold data and start first.'),
        stop: nameList().optional().describe('Containers to stop during a restore.'),
        health: health(),
      })
      .describe('Containers without Compose.'),
    z
      .strictObject({
        manager: z.literal('systemd'),
        data: nameList().optional().describe('Units that hold data and start first.'),
        stop: nameList().optional().describe('Units to stop during a restore.'),
        health: health(),
      })
      .describe('systemd units.'),
    z
      .strictObject({
        manager: z.literal('command'),
        stop: text('the command').describe('One line of sh, run on the server.'),
        start: text('the command').describe('One line of sh, run on the server.'),
        status: text('the command').optional().describe('One line of sh; exit status 0 means running.'),
        health: health(),
      })
      .describe('Commands of your own.'),
  ])
  .describe('What a restore stops, starts and checks on the server. Default: none.')

const sourceRetention = () =>
  retention('How many snapshots of this source stay, when it differs from the host.').optional()

const quiesceList = () => nameList().min(1, 'name at least one service')
const quiesce = () =>
  z
    .union(
      [
        z.strictObject({ stop: quiesceList().describe('Stopped, in this order, and started again.') }),
        z.strictObject({ pause: quiesceList().describe('Frozen, in this order, and let go on again.') }),
      ],
      { error: 'write { stop: [services] } or { pause: [services] }' },
    )
    .describe(
      'Services that hold still while this source is captured (manager docker: containers; systemd: units, stop only).',
    )
    .optional()

const remotePath = () => checked(text('the path'), sourcePathProblem)

const excludePatterns = () =>
  z
    .array(checked(text('the pattern'), excludePatternProblem))
    .optional()
    .describe(
      'What to leave out, in the syntax of .gitignore, from the path of the source on: ["*.tmp", "cache/", "/old", "!keep.tmp"].',
    )

const filesSource = z
  .strictObject({
    kind: z.literal('files'),
    path: remotePath().optional().describe('One directory or file, relative to the deployment, or absolute.'),
    paths: z
      .array(remotePath())
      .min(1, 'name at least one path')
      .optional()
      .describe('Several directories or files, instead of `path`.'),
    exclude: excludePatterns(),
    quiesce: quiesce(),
    retention: sourceRetention(),
  })
  .describe('Files and directories.')

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

const redisSource = z
  .strictObject({
    kind: z.literal('redis'),
    path: remotePath().describe('The data directory of Redis, relative to the deployment, or absolute.'),
    service: text('the service')
      .optional()
      .describe('The Compose service that runs it (needs services.manager: compose).'),
    container: text('the container').optional().describe('The container that runs it.'),
    address: checked(text('the address'), addressProblem)
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
    quiesce: quiesce(),
    retention: sourceRetention(),
  })
  .describe('A Redis server and its data directory.')

const volumeSource = z
  .strictObject({
    kind: z.literal('volume'),
    volume: z
      .string()
      .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, 'is not the name of a volume')
      .describe("The volume's name as Docker has it, or as the Compose file has it."),
    exclude: excludePatterns(),
    quiesce: quiesce(),
    retention: sourceRetention(),
  })
  .describe('A named volume of Docker.')

const sources = z
  .record(z.string(), z.discriminatedUnion('kind', [filesSource, redisSource, volumeSource]))
  .describe(
    'What to capture, by name. Default: redis_data, logs, data and config, those that exist on the server.',
  )
  .meta({ propertyNames: { pattern: NAME_PATTERN.source } })

const hostShape = {
  ssh: ssh('An alias of ~/.ssh/config, user@host, user@host:port, or the long form.').optional(),
  deployment: checked(text('the path'), deploymentProblem)
    .optional()
    .describe('The directory of the app on the server. Default ~/claude-relay-deployment.'),
  sudo: z.boolean().optional().describe('Read as root with `sudo -n`. Default false.'),
  tags: z
    .array(z.string().regex(NAME_PATTERN, 'a tag is lower-case letters, digits, _ and -'))
    .optional()
    .describe('Names to choose hosts by: relay-backup pull --tag production.'),
  retention: retention('How many snapshots stay, when it differs from the global one.').optional(),
  compression: compression().optional(),
  fullEvery: fullEvery().optional(),
  runTimeout: runTimeout(),
  services: services.optional(),
  sources: sources.optional(),
}

const encryption = z
  .strictObject({
    recipients: z
      .array(localPath())
      .min(1, 'name at least one public key')
      .optional()
      .describe('Files of the OpenPGP public keys that archives are encrypted to. Pulling needs no secret.'),
    identity: z
      .union([localPath(), z.strictObject({ gpg: text('the key') })], {
        error: 'write the path of the private key, or { gpg: KEYID }',
      })
      .optional()
      .describe('The private key that opens the archives, or { gpg: KEYID } to let gpg use its own.'),
    identityPassphrase: secret.optional().describe("The private key's passphrase."),
    passphrase: secret
      .optional()
      .describe('Instead of recipients: one passphrase that both encrypts and opens.'),
    aead: z
      .boolean()
      .optional()
      .describe("The newer, faster AEAD form, which GnuPG 2.2 can't open. Default false."),
    allowUnauthenticatedStream: z
      .boolean()
      .optional()
      .describe(
        'Decrypt in constant memory; content is still checked against its recorded hashes before use. Default true.',
      ),
  })
  .describe('How archives are encrypted. Name recipients (recommended) or a passphrase.')

/** The config file as people write it. Its JSON Schema is `hosts.schema.json`. */
export const configSchema = z.strictObject({
  version: z.literal(1, { error: 'must be 1' }).describe("The version of this file's format: 1."),
  vault: localPath().describe(
    'The local directory that holds all snapshots. ~ and paths relative to this file work.',
  ),
  encryption,
  compression: compression().optional(),
  retention: retention('How many snapshots stay on every host. Default: the last 7.').optional(),
  fullEvery: fullEvery().optional(),
  runTimeout: runTimeout(),
  defaults: z
    .strictObject(hostShape)
    .optional()
    .describe("Keys for every host. A host's own key replaces it; the keys of `ssh` are merged one by one."),
  hosts: z
    .record(z.string(), z.strictObject(hostShape))
    .describe('The servers, by name.')
    .meta({ propertyNames: { pattern: NAME_PATTERN.source }, minProperties: 1 }),
})

/** The config file after validation, before normalisation. */
export type ConfigInput = z.output<typeof configSchema>
export type HostInput = ConfigInput['hosts'][string]
export type SourceInput = NonNullable<HostInput['sources']>[string]
export type RetentionInput = NonNullable<ConfigInput['retention']>
export type ServicesInput = NonNullable<HostInput['services']>
