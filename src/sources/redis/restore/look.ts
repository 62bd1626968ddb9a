import { SourceError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../config.ts'
import type { RedisFacts } from '../facts.ts'
import type { Finding } from '../../../model/finding.ts'
import type { RestoreContext } from '../../contract.ts'
import type { RemoteHost } from '../../../remote/contract.ts'
import { connectRedis } from '../talk/connect.ts'
import { isRunningContainer, openSession } from '../talk/session.ts'
import type { Session } from '../talk/session.ts'
import { toSpeak } from '../../engine-place.ts'
import { readContainerConfig, startDirectory } from '../talk/container.ts'
import type { RedisContainer } from '../talk/container.ts'
import { configRefused, nameOf } from '../failures.ts'
import { findHostStart, hostBinary, readStart } from '../start/host-start.ts'
import type { StartFound } from '../start/host-start.ts'
import { askServer, stateOf } from '../talk/inspect.ts'
import type { Inspection } from '../talk/inspection.ts'
import { foundFiles } from '../capture/own-files.ts'
import { startOf } from '../start/next-start.ts'
import type { RedisStart, StartEvidence } from '../start/next-start.ts'
import { versionOfBinary, versionOfInfo } from '../version.ts'

/** The target as it is before a restore. */
export interface RestoreLook {
  readonly session: Session
  readonly inspection: Inspection
  readonly start: RedisStart
}

/** The session of a restore: nothing is captured, so nothing is compressed and nobody is told. */
export function restoreSession(context: RestoreContext, config: RedisSourceConfig): Promise<Session> {
  return openSession({ ...context, compression: { kind: 'none' }, notice: () => {} }, config)
}

/**
 * Finds out how the target starts. Changes nothing there. `opened`: a session with it, where there is one already.
 * Throws SourceError when it can't be asked, RemoteError when a script fails.
 */
export async function lookAtTarget(
  context: RestoreContext,
  config: RedisSourceConfig,
  facts: RedisFacts,
  opened?: Session,
): Promise<RestoreLook> {
  const session = opened ?? (await restoreSession(context, config))
  const { container } = session
  const inspection = await askServer(session)
  const running = isRunning(inspection)
  const { info } = inspection
  const configFile = info.get('config_file') || undefined
  const found =
    container === undefined
      ? await findHostStart(session, { running, info, configFile, starter: context.starter })
      : await containerStart(session, container, running, configFile)
  const { settings, configSets }: Present = running ? await presentSettings(session) : { settings: {} }
  const start = startOf(
    {
      running,
      ...found,
      version: running ? versionOfInfo(info) : found.version,
      present: { ...inspection.settings, ...settings },
      found: foundFiles(inspection),
      info,
      configSets,
      startsWith: config.startsWith,
      renewed: context.renews === true && container !== undefined,
    },
    facts,
  )
  return { session, inspection, start }
}

/** As the container's command line and its config file tell. */
async function containerStart(
  session: Session,
  { look, start }: RedisContainer,
  running: boolean,
  configFile: string | undefined,
): Promise<StartFound> {
  const { context } = session
  const own = hostBinary(new Map(await readStart(session, ['', '', ''])))
  if (look === undefined || start === undefined) return { binary: own, file: 'none' }
  const image = own === undefined || !running ? await readImage(context, look.imageId) : undefined
  const { arguments: given, fileName = configFile } = start
  return {
    version: image?.version,
    binary: own ?? image,
    arguments: given,
    file:
      given === undefined && configFile !== undefined
        ? await readContainerConfig(context, look.id, configFile)
        : start.file,
    fileName,
  }
}

/** By an image's id, which never means another: asking one starts a container, which takes a second. */
const imagesSeen = new WeakMap<RemoteHost, Map<string, StartEvidence['binary']>>()

/** The redis-server of an image, run in containers of its own. */
async function readImage(context: RestoreContext, image: string): Promise<StartEvidence['binary']> {
  const seen = imagesSeen.get(context.host) ?? new Map<string, StartEvidence['binary']>()
  const before = seen.get(image)
  if (before !== undefined) return before
  const title = 'asking the image of Redis for its version'
  const result = await context.host.run(
    {
      script: 'services/program',
      patience: 'list',
      args: [image, 'redis-server'],
      privilege: toSpeak(context.privilege),
      title,
    },
    { signal: context.signal },
  )
  const version = versionOfBinary(result.stdout.toString('utf8'))
  const found = version && { path: `image:${image}`, version }
  imagesSeen.set(context.host, seen.set(image, found))
  return found
}

/** A Redis that still loads does run, and answers everything that is asked here. */
function isRunning(inspection: Inspection): boolean {
  try {
    return stateOf(inspection) === 'up'
  } catch (error) {
    if (error instanceof SourceError && error.code === 'redis-loading') return true
    // Redis may restart over and over because it can't load its data, and that may be the reason for the restore.
    if (error instanceof SourceError && error.code === 'redis-restarting') return false
    throw error
  }
}

/** Settings that a capture does not ask for. What the server does not tell is left out. */
const SETTINGS = ['databases', 'maxmemory', 'maxmemory-policy', 'enable-protected-configs'] as const

interface Present {
  readonly settings: Partial<Record<string, string>>
  /** How often CONFIG SET was called, where that is counted by itself: since Redis 7.0. */
  readonly configSets?: number
}

async function presentSettings(session: Session): Promise<Present> {
  await using connection = await connectRedis(session)
  const [commands, ...values] = await connection.askAll([
    ['INFO', 'commandstats'],
    ...SETTINGS.map((name) => ['CONFIG', 'GET', name]),
  ])
  const settings = values.flatMap((reply) =>
    Array.isArray(reply) && reply.length === 2 ? [reply.map(String) as [string, string]] : [],
  )
  const counted = Buffer.isBuffer(commands) ? commands.toString('latin1') : ''
  if (!counted.includes('cmdstat_config|')) return { settings: Object.fromEntries(settings) }
  const sets = /^cmdstat_config\|set:calls=(\d+),/m.exec(counted)?.[1] ?? '0'
  return { settings: Object.fromEntries(settings), configSets: Number(sets) }
}

/** The source's path must be the directory that the target's Redis uses. */
export function checkTargetDirectory({ session, inspection, start }: RestoreLook): Finding {
  const { directory } = session.location
  const check = 'redis-directory'
  const wrong = (dir: string): Finding => ({
    check,
    outcome: 'failed',
    message: `${nameOf(session.config)} uses ${dir}, not ${directory}`,
    next: `Set \`path\` of this source to ${dir}, or \`address\` to the Redis that uses ${directory}.`,
  })
  if (inspection.directory.type === 'other') {
    return {
      check,
      outcome: 'failed',
      message: `${directory} on the server is not a directory`,
      next: 'Move it away, or set `path` of this source to the data directory of Redis.',
    }
  }
  const { dir } = inspection.settings
  const same = [directory, inspection.directory.real]
  const { container } = session
  if (container !== undefined && (dir !== undefined || !start.running)) {
    return checkMount(session, container, inspection)
  }
  if (start.running && dir === undefined && start.dir === undefined) {
    return {
      check,
      outcome: 'warning',
      message: `${nameOf(session.config)} does not tell its settings; ${directory} is believed to be its directory`,
      next: configRefused(session.config, inspection.refused.dir),
    }
  }
  if (dir !== undefined && !same.includes(dir) && !same.includes(inspection.dirReal ?? dir)) return wrong(dir)
  // The directory by the start, which may be another one.
  if (start.dir !== undefined && start.dir !== dir && !same.includes(start.dir)) return wrong(start.dir)
  return {
    check,
    outcome: 'ok',
    message: start.running ? `Redis uses ${directory}` : `Redis does not run; ${directory} is written`,
  }
}

/** Where a container keeps its data, and will keep them after its next start, must be the source's path. */
function checkMount(session: Session, container: RedisContainer, inspection: Inspection): Finding {
  const check = 'redis-directory'
  const { directory } = session.location
  const { look, start } = container
  if (look === undefined) {
    return {
      check,
      outcome: 'ok',
      message: `${nameOf(session.config)} has no container yet; ${directory} is written`,
    }
  }
  for (const inside of [inspection.settings.dir, start && startDirectory(start)]) {
    if (inside === undefined) continue
    const outside = container.pathOnServer(inside)
    if (outside === directory || outside === inspection.directory.real) continue
    return {
      check,
      outcome: 'failed',
      message:
        outside === undefined
          ? `${nameOf(session.config)} uses ${inside} in container ${look.name}, where nothing of the server is mounted`
          : `${nameOf(session.config)} uses ${inside} in container ${look.name}, which is ${outside} on the server, not ${directory}`,
      next:
        outside === undefined
          ? `Mount a volume or a directory at ${inside}, and set \`path\` of this source to it.`
          : `Set \`path\` of this source to ${outside}.`,
    }
  }
  const state = isRunningContainer(container) ? 'uses' : 'does not run, and uses'
  return { check, outcome: 'ok', message: `Redis in container ${look.name} ${state} ${directory}` }
}
