import { z } from 'zod'
import { readCron } from '../model/cron-fields.ts'
import { NAME_PATTERN } from '../model/names.ts'
import { EVEN, isTimeZone } from '../model/schedule.ts'
import { parseDuration } from '../model/units.ts'
import type { Kind } from '../sources/kind.ts'
import { allKinds, DEFAULT_SOURCES } from '../sources/registry.ts'
import { targetProblem } from './address.ts'
import { checked, localPath, pattern, secret, text } from './contract.ts'
import { notify } from './notify-schema.ts'
import { deploymentProblem } from './remote-path.ts'

// The shape of hosts.yaml. Validation only: nothing is changed here (see normalise.ts), and what spans several
// keys is in rules.ts. Messages never repeat a value of the file, since any value may be a misplaced secret.

const DURATION = /^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/
const COMPRESSION = /^(auto|none|zstd(:([1-9]|1[0-9]))?|gzip(:[1-9])?)$/

/** Not one that a shell, the loader of programs or our scripts go by. */
const VARIABLE = /^(?!(PATH|HOME|IFS|ENV|BASH_ENV|SHELL)$|LD_|RELAY_)[A-Za-z_][A-Za-z0-9_]*$/

const MAX_DURATION = 100 * 365 * 86_400_000
const duration = () =>
  checked(z.string().regex(DURATION, 'not a duration; write it like 90s, 20h, 7d or 1h30m'), (value) => {
    const ms = parseDuration(value)
    return ms !== undefined && (ms === 0 || ms > MAX_DURATION)
      ? 'must be longer than 0 and at most 100 years'
      : undefined
  })
const count = () => z.int('must be a whole number').min(1, 'must be at least 1').max(100_000)

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

const times = () => z.number('must be a number').min(1.5, 'must be at least 1.5').max(1000)

const percent = () => z.string().regex(/^([1-9]\d?|100)%$/, 'write it like 85%')

const alerts = z
  .strictObject({
    overdueAfter: duration()
      .optional()
      .describe('A host whose last good backup is older than this needs a person. Default 25h.'),
    afterFailures: count()
      .optional()
      .describe('So many pulls in a row without a complete backup need a person. Default 1.'),
    remindEvery: duration().optional().describe('What still holds is told again after this. Default 1d.'),
    anomaly: z
      .strictObject({
        size: times().optional().describe('Of what the sources hold. Default 3.'),
        duration: times().optional().describe('Of the time that a pull takes. Default 5.'),
      })
      .optional()
      .describe('So many times as much, or as little, as usual needs a person.'),
    disk: percent()
      .optional()
      .describe("The vault's file system, or a server's, needs a person when it is so full. Default 85%."),
    health: z
      .strictObject({
        connections: percent()
          .optional()
          .describe('Connections, or clients, of the most that it takes. Default 90%.'),
        memory: percent().optional().describe('Memory of the most that it may use. Default 90%.'),
        hitRate: percent()
          .optional()
          .describe('A cache that finds less of the keys that it is asked for. Default 70%.'),
        query: duration().optional().describe('A query that runs longer than this. Default 5m.'),
        lag: duration().optional().describe('A replica that is further behind. Default 5m.'),
        clock: duration().optional().describe("Between the server's clock and this machine's. Default 1m."),
      })
      .optional()
      .describe('From when on `check` warns of a server of data.'),
  })
  .optional()
  .describe('From when on something needs a person.')

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
        data: nameList().optional().describe('Services that hold data and start first: [db].'),
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
        secrets: z
          .record(z.string().regex(VARIABLE, 'not a name of a variable that may hold a secret'), secret)
          .optional()
          .describe('Secrets that the lines read as variables: { APP_TOKEN: { keychain: app/token } }.'),
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

/** What every source may have, around what its kind wants. */
const sourceOf = ({ name, config }: Kind) =>
  z
    .strictObject({
      kind: z.literal(name),
      ...config.shape,
      quiesce: quiesce(),
      retention: sourceRetention(),
    })
    .describe(config.description)

const sources = () => {
  const [first, ...others] = allKinds().map(sourceOf)
  if (first === undefined) throw new Error('there is no kind of source')
  const defaults = DEFAULT_SOURCES.map(({ name }) => name)
  return z
    .record(z.string(), z.discriminatedUnion('kind', [first, ...others]))
    .describe(
      `What to capture, by name. Default: ${defaults.slice(0, -1).join(', ')} and ${defaults.at(-1)}, those that exist on the server.`,
    )
    .meta({ propertyNames: { pattern: NAME_PATTERN.source } })
}

const hostShape = () => ({
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
  sources: sources().optional(),
  clean: clean().optional(),
})

const clean = () =>
  z
    .record(
      z.string(),
      z.strictObject({
        match: z
          .union([pattern(), z.array(pattern()).min(1, 'name at least one pattern')])
          .describe('Which files, by patterns as .gitignore has them, below each path of the source.'),
        olderThan: duration().describe('Only files that were modified longer ago than this: 30d.'),
      }),
    )
    .describe(
      'What `relay-backup clean` may remove on the server, by source: files that a snapshot holds byte for byte.',
    )

const encryption = z
  .strictObject({
    recipients: z
      .array(localPath())
      .min(1, 'name at least one public key')
      .optional()
      .describe('Files of the OpenPGP public keys that archives are encrypted to. Pulling needs no secret.'),
    identity: z
      .union(
        [
          localPath(),
          z.strictObject({ gpg: text('the key').describe('The id or fingerprint of a key that gpg has.') }),
        ],
        {
          error: 'write the path of the private key, or { gpg: KEYID }',
        },
      )
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

const scheduleTime = () =>
  z.string().regex(/^([01]?\d|2[0-3]):[0-5]\d$/, 'not a time of day; write it like "02:00"')

const schedules = () =>
  z
    .record(
      z.string(),
      z.strictObject({
        at: scheduleTime().optional().describe('Every day at this time: "02:00".'),
        every: duration()
          .optional()
          .describe(`Evenly, from midnight on: ${EVEN.join(', ')}.`),
        cron: checked(z.string(), (value) => {
          const read = readCron(value)
          return typeof read === 'string' ? read : undefined
        })
          .optional()
          .describe('Five fields, as cron has them: "0 1 * * 0".'),
        timeZone: checked(z.string(), (value) =>
          isTimeZone(value)
            ? undefined
            : 'is no time zone that this system knows; write it like Europe/Berlin',
        )
          .optional()
          .describe("The time zone of these times. Default: this machine's."),
        run: text('the command').describe(
          'What it runs: pull, verify, status or report, with their flags: "pull --all".',
        ),
        keep: retention(
          'How many of the snapshots that it makes stay, beside those that the retention of the host keeps.',
        )
          .omit({ safety: true })
          .describe('How many of the snapshots that it makes stay, beside those that the host keeps.')
          .optional(),
      }),
    )
    .describe('What runs when, by name.')
    .meta({ propertyNames: { pattern: NAME_PATTERN.source } })

/** The config file as people write it, with the kinds that are registered. Its JSON Schema is `hosts.schema.json`. */
export const configSchema = () => {
  const shape = hostShape()
  return z.strictObject({
    version: z.literal(1, { error: 'must be 1' }).describe("The version of this file's format: 1."),
    vault: localPath().describe(
      'The local directory that holds all snapshots. ~ and paths relative to this file work.',
    ),
    encryption,
    compression: compression().optional(),
    retention: retention(
      'How many snapshots stay on every host. Default: last 7, daily 7, weekly 4, within 7d.',
    ).optional(),
    fullEvery: fullEvery().optional(),
    runTimeout: runTimeout(),
    schedules: schedules().optional(),
    alerts,
    notify,
    defaults: z
      .strictObject(shape)
      .optional()
      .describe(
        "Keys for every host. A host's own key replaces it; the keys of `ssh` are merged one by one.",
      ),
    hosts: z
      .record(z.string(), z.strictObject(shape))
      .describe('The servers, by name.')
      .meta({ propertyNames: { pattern: NAME_PATTERN.source }, minProperties: 1 }),
  })
}

/** The config file after validation, before normalisation. */
export type ConfigInput = z.output<ReturnType<typeof configSchema>>
export type HostInput = ConfigInput['hosts'][string]
export type SourceInput = NonNullable<HostInput['sources']>[string]
export type RetentionInput = NonNullable<ConfigInput['retention']>
export type ServicesInput = NonNullable<HostInput['services']>
export type ScheduleInput = NonNullable<ConfigInput['schedules']>[string]
