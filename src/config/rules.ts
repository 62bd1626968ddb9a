import { NAME_PATTERN } from '../model/names.ts'
import { cronOf, EVEN, splitWords } from '../model/schedule.ts'
import { parseDuration } from '../model/units.ts'
import type { Kind } from '../sources/kind.ts'
import { DEFAULT_SOURCES, findKind } from '../sources/registry.ts'
import { fields, isMap, type Fields } from './contract.ts'
import type { ConfigPath } from './document.ts'
import { literalSecret } from './literal-secret.ts'
import { CHANNELS, PINGED } from './notify-schema.ts'
import type { Problem } from './problem.ts'
import { normaliseRemotePath } from './remote-path.ts'

// Rules that span several keys. They read the file's data as it is, valid or not, so that all problems are found at
// once. The schema reports a value of the wrong type, so a rule passes over it.

/** How a config names the server that holds the data of a source. */
const ENGINE_PLACES = ['service', 'container', 'address']

/** Every rule's problems with the file's data, in the file's order per rule. */
export function ruleProblems(config: unknown): Problem[] {
  const root = fields(config)
  const defaults = fields(root['defaults'])
  const hosts = Object.entries(fields(root['hosts']))
  return [
    ...encryptionRules(root['encryption']),
    ...(isMap(root['hosts']) && hosts.length === 0
      ? [{ path: ['hosts'], message: 'names no host', suggestion: 'Add one: `prod: { ssh: user@host }`' }]
      : []),
    ...Object.entries(fields(root['schedules'])).flatMap(([name, one]) =>
      isMap(one) ? scheduleRules(['schedules', name], name, one) : [],
    ),
    ...literalRules(root, []),
    ...notifyRules(root['notify']),
    ...sshRules(defaults, ['defaults']),
    ...sourcesRules(defaults, ['defaults'], defaults),
    ...hosts.flatMap(([name, host]) => [
      ...nameRule(['hosts', name], name),
      ...(isMap(host) ? hostRules(name, host, defaults) : []),
    ]),
  ]
}

/** Each entry has one channel, and what is told of each run has no choice of events. */
function notifyRules(notify: unknown): Problem[] {
  if (!Array.isArray(notify)) return []
  return notify.flatMap((entry: unknown, index): Problem[] => {
    if (!isMap(entry)) return []
    const path = ['notify', index]
    const [kind, ...others] = CHANNELS.filter((name) => name in entry)
    if (kind === undefined)
      return [{ path, message: 'names no channel', suggestion: `Write one of: ${CHANNELS.join(', ')}` }]
    if (others.length > 0)
      return [{ path, message: 'names several channels', suggestion: 'Write an entry for each' }]
    if ('on' in entry && PINGED.includes(kind))
      return [{ path: [...path, 'on'], message: `has no meaning for ${kind}: it is told of each run` }]
    return []
  })
}

function hostRules(name: string, own: Fields, defaults: Fields): Problem[] {
  const path = ['hosts', name]
  const effective = { ...defaults, ...own }
  return [
    ...sshTargetRule(path, own, defaults),
    ...sshRules(own, path),
    ...sourcesRules(own, path, effective),
    ...cleanRules(effective, path, own['clean'] !== undefined),
    ...(own['sources'] === undefined
      ? [...serviceRules(effective, path), ...quiesceRules(effective, path)]
      : []),
  ]
}

/** Only trees of files can be compared file by file with a snapshot. */
function cleanRules(host: Fields, path: ConfigPath, isOwn: boolean): Problem[] {
  const sources = host['sources'] === undefined ? undefined : fields(host['sources'])
  const at = isOwn ? path : ['defaults']
  return Object.keys(fields(host['clean'])).flatMap((name): Problem[] => {
    const source = sources?.[name]
    const kind =
      sources === undefined
        ? DEFAULT_SOURCES.find((one) => one.name === name)?.kind
        : isMap(source)
          ? source['kind']
          : undefined
    if (kind !== undefined && findKind(kind)?.exclude !== undefined) return []
    // What several hosts share may be about a source that only some have.
    if (kind === undefined && !isOwn) return []
    return [
      {
        path: [...at, 'clean', name],
        at: 'key',
        message:
          kind === undefined
            ? 'is no source of this host'
            : 'can not be cleaned: only files can be compared with a snapshot one by one',
        suggestion: 'Name a source that is a tree of files, and remove this entry',
      },
    ]
  })
}

/** As deep as a secret of a source lies, with some to spare: an alias may lead round in a circle. */
const DEEPEST = 8

/**
 * Lines of shell and addresses are shown in plans, errors and journals, so a secret that is written in one is refused.
 * The problem does not repeat it.
 */
function literalRules(value: unknown, path: ConfigPath): Problem[] {
  if (path.length > DEEPEST || !isMap(value)) return []
  return Object.entries(value).flatMap(([key, child]) => {
    const at = [...path, key]
    if (typeof child !== 'string') return literalRules(child, at)
    if (!isShown(key, path)) return []
    const looks = literalSecret(child)
    if (looks === undefined) return []
    return [
      {
        path: at,
        message: `has ${looks} in it, and is shown in plans and errors`,
        suggestion:
          path.at(-1) === 'services'
            ? 'Name it in services.secrets, for example APP_TOKEN: { keychain: app/token }, and write $APP_TOKEN in the line'
            : 'Take it from a file where the line runs: TOKEN=$(cat ~/.app-token); an address has none',
      },
    ]
  })
}

function isShown(key: string, path: ConfigPath): boolean {
  const parent = path.at(-1)
  if (parent === 'services') return ['stop', 'start', 'status'].includes(key)
  return key === 'command' || (parent === 'health' && key === 'url')
}

const TIMES = ['at', 'every', 'cron']

function scheduleRules(path: ConfigPath, name: string, schedule: Fields): Problem[] {
  const named = TIMES.filter((key) => schedule[key] !== undefined)
  const { every, run, keep } = schedule
  const words = typeof run === 'string' ? splitWords(run) : []
  return [
    ...nameRule(path, name),
    ...(named.length === 1
      ? []
      : [
          {
            path,
            at: 'key' as const,
            message:
              named.length === 0 ? 'says no time' : `has ${named.join(' and ')}, which exclude each other`,
            suggestion: 'Write one of: at: "02:00", every: 6h, cron: "0 1 * * 0"',
          },
        ]),
    ...(typeof every === 'string' && parseDuration(every) !== undefined && cronOf({ every }) === undefined
      ? [
          {
            path: [...path, 'every'],
            message: 'does not divide a day evenly',
            suggestion: `Write one of ${EVEN.join(', ')}, or use cron: "0 1 * * 0"`,
          },
        ]
      : []),
    ...(words === undefined ? [{ path: [...path, 'run'], message: 'has a quote that is not closed' }] : []),
    ...(isMap(keep) && Object.keys(keep).length === 0
      ? [{ path: [...path, 'keep'], message: 'has no rule', suggestion: 'Write it like { monthly: 12 }' }]
      : []),
  ]
}

function nameRule(path: ConfigPath, name: string): Problem[] {
  if (NAME_PATTERN.test(name)) return []
  const usable = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, '-')
    .replace(/^[_-]+/, '')
    .slice(0, 64)
  return [
    {
      path,
      at: 'key',
      message: 'names are 1 to 64 lower-case letters, digits, _ and -, and begin with a letter or digit',
      ...(NAME_PATTERN.test(usable) ? { suggestion: `Call it "${usable}"` } : {}),
    },
  ]
}

function encryptionRules(value: unknown): Problem[] {
  if (!isMap(value)) return []
  const path = ['encryption']
  const { recipients, passphrase } = value
  if (recipients === undefined && passphrase === undefined)
    return [
      {
        path,
        at: 'key',
        message: 'needs recipients or a passphrase',
        suggestion: 'Make a key pair with: relay-backup key generate',
      },
    ]
  if (passphrase === undefined) return []
  return ['recipients', 'identity', 'identityPassphrase']
    .filter((key) => value[key] !== undefined)
    .map((key) => ({
      path: [...path, key],
      at: 'key',
      message: 'does not go together with passphrase',
      suggestion: 'Keep recipients (pulling needs no secret then), or keep passphrase; not both',
    }))
}

function sshTargetRule(path: ConfigPath, own: Fields, defaults: Fields): Problem[] {
  const named = [own['ssh'], defaults['ssh']].some(
    (ssh) => typeof ssh === 'string' || (isMap(ssh) && ssh['host'] !== undefined),
  )
  // A value of another type is the schema's to report.
  const judgeable = own['ssh'] === undefined || isMap(own['ssh'])
  if (named || !judgeable) return []
  return own['ssh'] === undefined
    ? [{ path: [...path, 'ssh'], at: 'key', message: 'is required', suggestion: 'Add `ssh: user@host`' }]
    : [{ path: [...path, 'ssh', 'host'], at: 'key', message: 'is required' }]
}

const KEEP_ALIVE_LIMITS = { min: 1000, max: 30_000 }
const MIN_CONNECT_TIMEOUT = 1000

function sshRules(host: Fields, path: ConfigPath): Problem[] {
  const ssh = fields(host['ssh'])
  const problems: Problem[] = []
  const keepAlive = duration(ssh['keepAlive'])
  if (keepAlive !== undefined && (keepAlive < KEEP_ALIVE_LIMITS.min || keepAlive > KEEP_ALIVE_LIMITS.max))
    problems.push({
      path: [...path, 'ssh', 'keepAlive'],
      message: 'must be 1s to 30s: a dead server is noticed after 30 s',
    })
  const timeout = duration(ssh['connectTimeout'])
  if (timeout !== undefined && timeout < MIN_CONNECT_TIMEOUT)
    problems.push({ path: [...path, 'ssh', 'connectTimeout'], message: 'must be at least 1s' })
  return problems
}

function sourcesRules(host: Fields, path: ConfigPath, effective: Fields): Problem[] {
  if (!isMap(host['sources'])) return []
  const sources = Object.entries(host['sources'])
  const at = [...path, 'sources']
  if (sources.length === 0)
    return [
      {
        path: at,
        message: 'names no source',
        suggestion: 'Remove the key to get the default sources, or name one',
      },
    ]
  return [
    ...sources.flatMap(([name, source]) => [
      ...nameRule([...at, name], name),
      ...sourceRules(fields(source), [...at, name]),
    ]),
    ...identicalPaths(sources, at, effective['deployment']),
    // Whether a `service` can be found depends on the host that inherits the sources.
    ...(path[0] === 'hosts' ? [...serviceRules(effective, path), ...quiesceRules(effective, path)] : []),
  ]
}

function sourceRules(source: Fields, path: ConfigPath): Problem[] {
  const kind = findKind(source['kind'])
  const problems = kind?.config.rules?.(source) ?? []
  return [
    ...(kind?.engine === undefined ? [] : enginePlaceRules(source, path)),
    ...problems.map((problem) => ({ ...problem, path: [...path, ...problem.path] })),
  ]
}

/** A server of data is named once. */
function enginePlaceRules(source: Fields, path: ConfigPath): Problem[] {
  const places = ENGINE_PLACES.filter((key) => source[key] !== undefined)
  return places.slice(1).map((key) => ({
    path: [...path, key],
    at: 'key',
    message: `the server is named by ${places[0]} already; write only one of ${ENGINE_PLACES.slice(0, -1).join(', ')} and ${ENGINE_PLACES.at(-1)}`,
  }))
}

/** The same path in two places would be captured, and restored, twice. One inside another is allowed. */
function identicalPaths(
  sources: readonly (readonly [string, unknown])[],
  at: ConfigPath,
  deployment: unknown,
): Problem[] {
  const seen = new Map<string, ConfigPath>()
  const problems: Problem[] = []
  for (const [name, value] of sources) {
    const source = fields(value)
    for (const place of findKind(source['kind'])?.config.places(source) ?? []) {
      const { text } = place
      const path = [...at, name, ...place.path]
      const absolute = text.startsWith('/') || typeof deployment !== 'string' ? text : `${deployment}/${text}`
      const key = normaliseRemotePath(absolute)
      const first = seen.get(key)
      if (first === undefined) seen.set(key, path)
      else
        problems.push({
          path,
          message: 'is the same path as another of this host',
          suggestion: `See sources.${first.slice(at.length).join('.')}; keep one of the two`,
        })
    }
  }
  return problems
}

function serviceRules(host: Fields, path: ConfigPath): Problem[] {
  if (fields(host['services'])['manager'] === 'compose') return []
  return Object.entries(fields(host['sources']))
    .filter(([, source]) => engineOf(source) !== undefined && fields(source)['service'] !== undefined)
    .map(([name]) => ({
      path: [...path, 'sources', name, 'service'],
      at: 'key',
      message: 'is a Compose service, but services.manager is not compose',
      suggestion: 'Set `services: { manager: compose }`, or use container or address',
    }))
}

/** The kind of a source whose data a server holds. */
function engineOf(source: unknown): Kind | undefined {
  const kind = findKind(fields(source)['kind'])
  return kind?.engine === undefined ? undefined : kind
}

/** Which services can be held still depends on what manages the services of the host. */
function quiesceRules(host: Fields, path: ConfigPath): Problem[] {
  const manager = fields(host['services'])['manager']
  return Object.entries(fields(host['sources'])).flatMap(([name, value]) => {
    const source = fields(value)
    if (!isMap(source['quiesce'])) return []
    const at = [...path, 'sources', name, 'quiesce']
    const { stop, pause } = source['quiesce']
    if (manager === 'systemd' && pause !== undefined)
      return [
        {
          path: at,
          at: 'key',
          message: "can't pause systemd units",
          suggestion: 'Use stop instead of pause',
        },
      ]
    if (manager === 'command')
      return [
        {
          path: at,
          at: 'key',
          message: 'needs services by name, and services.manager command knows only all of them at once',
          suggestion: 'Set services.manager to compose, docker or systemd, or remove quiesce',
        },
      ]
    if (manager === undefined || manager === 'none')
      return [
        {
          path: at,
          at: 'key',
          message: 'needs services.manager: it says what the named services are',
          suggestion: 'Add `services: { manager: compose }` (or docker, systemd) to the host',
        },
      ]
    const engine = engineOf(source)
    const own = engine === undefined ? [] : [source['service'], source['container']]
    if (Array.isArray(pause) && (pause as unknown[]).some((one) => own.includes(one)) && stop === undefined)
      return [
        {
          path: [...at, 'pause'],
          message: `names the ${engine?.title} of this source, which must answer while it is captured`,
          suggestion: 'Name the services that write to it instead',
        },
      ]
    return []
  })
}

function duration(value: unknown): number | undefined {
  return typeof value === 'string' ? parseDuration(value) : undefined
}
