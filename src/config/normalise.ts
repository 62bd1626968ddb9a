import type {
  AlertsConfig,
  CleanRule,
  CompressionChoice,
  Config,
  EncryptionConfig,
  HostConfig,
  QuiesceConfig,
  RetentionPolicy,
  ServicesConfig,
  SourceConfig,
  SshConfig,
} from '../model/config.ts'
import { cronOf, splitWords, type ScheduleConfig, type ScheduleTime } from '../model/schedule.ts'
import { parseTarget } from '../model/target.ts'
import { parseDuration } from '../model/units.ts'
import { DEFAULT_SOURCES, kindOf } from '../sources/registry.ts'
import { normaliseSecret, type ResolvePath } from './contract.ts'
import { DEFAULT_DEPLOYMENT } from './default-deployment.ts'
import { normaliseNotify } from './normalise-notify.ts'
import { mergeDefaults } from './merge-defaults.ts'
import { normaliseRemotePath } from './remote-path.ts'
import type {
  ConfigInput,
  HostInput,
  RetentionInput,
  ScheduleInput,
  ServicesInput,
  SourceInput,
} from './schema.ts'

const DEFAULT_FULL_EVERY = 30
const DEFAULT_RUN_TIMEOUT = 24 * 60 * 60 * 1000
const DEFAULT_ZSTD_LEVEL = 3
const DEFAULT_GZIP_LEVEL = 6
const DAY = 86_400_000
/** A busy afternoon of pulls pushes no week out. */
const DEFAULT_RETENTION: RetentionPolicy = { last: 7, daily: 7, weekly: 4, within: 7 * DAY, safety: 14 * DAY }
const DEFAULT_HEALTH_TIMEOUT = 60_000
/** A nightly backup may be an hour late. */
const DEFAULT_ALERTS: AlertsConfig = {
  overdueAfter: 25 * 60 * 60 * 1000,
  afterFailures: 1,
  disk: 0.85,
  remindEvery: DAY,
  anomaly: { size: 3, duration: 5 },
  health: {
    connections: 0.9,
    memory: 0.9,
    hitRate: 0.7,
    query: 5 * 60_000,
    lag: 5 * 60_000,
    clock: 60_000,
  },
}

/** A valid config file as the program uses it: defaults filled in, paths absolute, units in ms. */
export function normaliseConfig(input: ConfigInput, file: string, resolvePath: ResolvePath): Config {
  const globals = {
    compression: parseCompression(input.compression ?? 'auto'),
    retention: resolveRetention(input.retention, DEFAULT_RETENTION),
    fullEvery: input.fullEvery ?? DEFAULT_FULL_EVERY,
    runTimeout: milliseconds(input.runTimeout) ?? DEFAULT_RUN_TIMEOUT,
  }
  const schedules = Object.entries(input.schedules ?? {}).map(([name, one]) => normaliseSchedule(name, one))
  const lives = schedules.flatMap(({ name, keep }) => (keep === undefined ? [] : [{ name, keep }]))
  return {
    file,
    vault: resolvePath(input.vault),
    encryption: normaliseEncryption(input.encryption, resolvePath),
    ...globals,
    alerts: normaliseAlerts(input.alerts),
    notify: normaliseNotify(input.notify, resolvePath),
    hosts: Object.entries(input.hosts).map(([name, host]) => ({
      ...normaliseHost(name, mergeDefaults(input.defaults, host), globals, resolvePath),
      lives,
    })),
    schedules,
  }
}

function normaliseSchedule(
  name: string,
  { at, every, cron, timeZone, run, keep }: ScheduleInput,
): ScheduleConfig {
  const time: ScheduleTime =
    at !== undefined ? { at } : every !== undefined ? { every } : { cron: cron ?? '' }
  return {
    name,
    time,
    cron: cronOf(time) ?? '',
    timeZone,
    run: splitWords(run) ?? [],
    keep: keep && resolveRetention(keep, DEFAULT_RETENTION),
  }
}

function normaliseAlerts(input: NonNullable<ConfigInput['alerts']> = {}): AlertsConfig {
  const { overdueAfter, afterFailures, disk, remindEvery, anomaly, health } = input
  const standard = DEFAULT_ALERTS.health
  return {
    overdueAfter: milliseconds(overdueAfter) ?? DEFAULT_ALERTS.overdueAfter,
    afterFailures: afterFailures ?? DEFAULT_ALERTS.afterFailures,
    disk: part(disk) ?? DEFAULT_ALERTS.disk,
    remindEvery: milliseconds(remindEvery) ?? DEFAULT_ALERTS.remindEvery,
    anomaly: {
      size: anomaly?.size ?? DEFAULT_ALERTS.anomaly.size,
      duration: anomaly?.duration ?? DEFAULT_ALERTS.anomaly.duration,
    },
    health: {
      connections: part(health?.connections) ?? standard.connections,
      memory: part(health?.memory) ?? standard.memory,
      hitRate: part(health?.hitRate) ?? standard.hitRate,
      query: milliseconds(health?.query) ?? standard.query,
      lag: milliseconds(health?.lag) ?? standard.lag,
      clock: milliseconds(health?.clock) ?? standard.clock,
    },
  }
}

/** `85%` as 0.85. */
function part(percent: string | undefined): number | undefined {
  return percent === undefined ? undefined : Number.parseFloat(percent) / 100
}

function normaliseHost(
  name: string,
  host: HostInput,
  globals: Pick<Config, 'compression' | 'retention' | 'fullEvery' | 'runTimeout'>,
  resolvePath: ResolvePath,
): HostConfig {
  const retention = resolveRetention(host.retention, globals.retention)
  return {
    name,
    ssh: normaliseSsh(host.ssh, resolvePath),
    deployment: normaliseRemotePath(host.deployment ?? DEFAULT_DEPLOYMENT),
    sudo: host.sudo ?? false,
    tags: host.tags ?? [],
    retention,
    compression: host.compression === undefined ? globals.compression : parseCompression(host.compression),
    fullEvery: host.fullEvery ?? globals.fullEvery,
    runTimeout: milliseconds(host.runTimeout) ?? globals.runTimeout,
    services: normaliseServices(host.services, resolvePath),
    sources:
      host.sources === undefined
        ? DEFAULT_SOURCES
        : Object.entries(host.sources).map(([source, input]) =>
            normaliseSource(source, input, retention, resolvePath),
          ),
    sourcesByDefault: host.sources === undefined,
    ...(host.clean === undefined ? {} : { clean: Object.entries(host.clean).map(normaliseClean) }),
  }
}

function normaliseClean([source, { match, olderThan }]: [
  string,
  NonNullable<HostInput['clean']>[string],
]): CleanRule {
  return { source, match: [match].flat(), olderThan: milliseconds(olderThan) ?? Infinity }
}

function normaliseEncryption(input: ConfigInput['encryption'], resolvePath: ResolvePath): EncryptionConfig {
  const common = {
    aead: input.aead ?? false,
    allowUnauthenticatedStream: input.allowUnauthenticatedStream ?? true,
  }
  if (input.passphrase !== undefined)
    return { ...common, mode: 'passphrase', passphrase: normaliseSecret(input.passphrase, resolvePath) }
  const { identity } = input
  return {
    ...common,
    mode: 'recipients',
    recipients: (input.recipients ?? []).map(resolvePath),
    identity: typeof identity === 'string' ? { file: resolvePath(identity) } : identity,
    identityPassphrase: input.identityPassphrase && normaliseSecret(input.identityPassphrase, resolvePath),
  }
}

function normaliseSsh(ssh: HostInput['ssh'], resolvePath: ResolvePath): SshConfig {
  const { keepAlive, connectTimeout, identityFile, knownHosts, agent, ...input } =
    typeof ssh === 'string' ? { ...parseTarget(ssh) } : { ...ssh }
  return {
    host: input.host ?? '',
    port: input.port,
    user: input.user,
    identityFile: identityFile && resolvePath(identityFile),
    identityPassphrase: input.identityPassphrase && normaliseSecret(input.identityPassphrase, resolvePath),
    agent: typeof agent === 'string' ? resolvePath(agent) : agent,
    password: input.password && normaliseSecret(input.password, resolvePath),
    knownHosts: knownHosts && resolvePath(knownHosts),
    keepAlive: milliseconds(keepAlive),
    connectTimeout: milliseconds(connectTimeout),
  }
}

function normaliseServices(input: ServicesInput | undefined, resolvePath: ResolvePath): ServicesConfig {
  if (input === undefined) return { manager: 'none' }
  const health = input.health && {
    url: input.health.url,
    timeout: milliseconds(input.health.timeout) ?? DEFAULT_HEALTH_TIMEOUT,
  }
  switch (input.manager) {
    case 'compose':
      return { ...input, health, data: input.data ?? [] }
    case 'docker':
    case 'systemd':
      return { ...input, health, data: input.data ?? [], stop: input.stop ?? [] }
    case 'command': {
      const { secrets, ...lines } = input
      const named = Object.entries(secrets ?? {})
      if (named.length === 0) return { ...lines, health }
      const resolved = named.map(
        ([name, reference]) => [name, normaliseSecret(reference, resolvePath)] as const,
      )
      return { ...lines, health, secrets: Object.fromEntries(resolved) }
    }
    case 'none':
      return { ...input, health }
  }
}

function normaliseSource(
  name: string,
  input: SourceInput,
  outer: RetentionPolicy,
  resolvePath: ResolvePath,
): SourceConfig {
  const common = {
    name,
    quiesce: input.quiesce && normaliseQuiesce(input.quiesce),
    retention: input.retention && resolveRetention(input.retention, outer),
  }
  return kindOf(input.kind).config.normalise(input, common, resolvePath)
}

function normaliseQuiesce(input: NonNullable<SourceInput['quiesce']>): QuiesceConfig {
  return 'stop' in input
    ? { how: 'stop', services: [...new Set(input.stop)] }
    : { how: 'pause', services: [...new Set(input.pause)] }
}

/**
 * A policy counts as a whole: a rule that it does not name keeps nothing. A policy that names only `safety` changes
 * only that.
 */
function resolveRetention(input: RetentionInput | undefined, outer: RetentionPolicy): RetentionPolicy {
  const { safety, within, ...counts } = input ?? {}
  const keeps =
    within === undefined && Object.keys(counts).length === 0
      ? outer
      : { ...counts, within: milliseconds(within) }
  return { ...keeps, safety: milliseconds(safety) ?? outer.safety }
}

function parseCompression(text: string): CompressionChoice {
  const [kind, level] = text.split(':')
  switch (kind) {
    case 'zstd':
      return { kind, level: level === undefined ? DEFAULT_ZSTD_LEVEL : Number(level) }
    case 'gzip':
      return { kind, level: level === undefined ? DEFAULT_GZIP_LEVEL : Number(level) }
    case 'none':
      return { kind }
    default:
      return { kind: 'auto' }
  }
}

function milliseconds(duration: string | undefined): number | undefined {
  return duration === undefined ? undefined : parseDuration(duration)
}
