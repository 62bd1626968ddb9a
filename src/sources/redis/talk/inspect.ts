import { RemoteError, SourceError } from '../../../errors.ts'
import { isRunningContainer, stdinOf } from './session.ts'
import type { Session } from './session.ts'
import { startDirectory } from './container.ts'
import { addressOf, configRefused, nameOf } from '../failures.ts'
import { parseInspection } from './inspection.ts'
import type { Inspection } from './inspection.ts'
import { serverState } from './server-state.ts'

/**
 * Looks at the directory and the server in one round trip and judges whether the server is up. With `settle` what a
 * capture that died has left changed there is put back; without it nothing is changed.
 */
export async function inspect(
  session: Session,
  options: { readonly settle: boolean },
): Promise<{ readonly inspection: Inspection; readonly state: 'up' | 'stopped' }> {
  const { container, location } = session
  const passing = container?.look?.status
  if (passing === 'restarting' || passing === 'removing') throw unsettled(session, passing)
  const inspection = await askServer(session, options)
  const { type } = inspection.directory
  if (type !== 'directory') {
    if (container !== undefined) checkDirectory(session, inspection)
    const missing = type === 'missing'
    throw new SourceError(
      missing ? 'no-such-path' : 'not-a-directory',
      `${location.directory} on the server is ${missing ? 'not there' : 'not a directory'}`,
      { next: 'Set `path` of this source to the data directory of Redis (redis-cli CONFIG GET dir).' },
    )
  }
  return { inspection, state: await stateOf(session, inspection) }
}

/** What `inspect.sh` finds. Throws RemoteError when it fails. */
export async function askServer(
  session: Session,
  { settle }: { readonly settle: boolean },
): Promise<Inspection> {
  const { context, container, location } = session
  const result = await context.host.run(
    {
      script: 'sources/redis/inspect',
      patience: 'list',
      args: [...session.server, location.directory, settle ? 'yes' : 'no'],
      privilege: context.privilege,
      title: 'asking Redis on the server',
    },
    { stdin: stdinOf(session), signal: context.signal },
  )
  const inspection = result.status === 0 ? parseInspection(result.stdout) : undefined
  if (inspection === undefined) {
    throw new RemoteError('redis-inspect', 'Looking at Redis on the server failed', {
      exitStatus: result.status,
      stderr: result.stderr,
      next: 'Look into the message above on the server, then run it again.',
    })
  }
  const { dir } = inspection.settings
  return container === undefined || !dir
    ? inspection
    : { ...inspection, dirReal: container.pathOnServer(dir) }
}

/** What lies in the directory; the server is not asked. Throws RemoteError when it fails. */
export async function lookAtDirectory(session: Session): Promise<Inspection['directory']> {
  const [host, port, user] = session.server
  const unasked = { ...session, server: [host, port, user, 'no', 'none'] as const, lines: [''] }
  return (await askServer(unasked, { settle: false })).directory
}

/** Throws SourceError for everything but a server that answers and one that does not run. */
export async function stateOf(session: Session, inspection: Inspection): Promise<'up' | 'stopped'> {
  const { config, container } = session
  if (container !== undefined && !isRunningContainer(container)) return 'stopped'
  if (inspection.cli === undefined) {
    if (container === undefined && !(await listens(session))) return 'stopped'
    throw noCli(session)
  }
  const answer = inspection.ping?.answer ?? ''
  // The container went since it was looked at. This error is Docker's, not Redis's.
  if (container !== undefined && /^(?:Error response from daemon|OCI runtime exec failed):/.test(answer)) {
    throw unsettled(session, 'restarting')
  }
  const state = serverState(inspection, config)
  if (container === undefined || state === 'up') return state
  if ((container.look?.restartCount ?? 0) > 0) throw unsettled(session, 'restarting')
  // Redis is not down: it may be about to come up, or it may listen somewhere else.
  throw new SourceError(
    'redis-not-listening',
    `Container ${container.look?.name} runs, but no Redis listens on port ${session.server[1]} in it`,
    {
      stderr: inspection.ping?.answer,
      next: `Look into its log: docker logs ${container.look?.name}; and check ${addressOf(config).split(' ')[0]} of this source.`,
    },
  )
}

/** There is no redis-cli where it is needed. */
export function noCli({ container }: Session): SourceError {
  if (container !== undefined) {
    return new SourceError('no-redis-cli', `Container ${container.look?.name} has no redis-cli`, {
      next: 'Use an image that has it, as the official ones do, or stop the container: then its files are taken as they lie.',
    })
  }
  return new SourceError('no-redis-cli', 'The server has no redis-cli', {
    next: 'Install it there (Debian, Ubuntu: apt-get install redis-tools; Alpine: apk add redis), or name the container that Redis runs in by `service` or `container` of this source.',
  })
}

function unsettled({ config, container }: Session, status: 'restarting' | 'removing'): SourceError {
  const { name, exitCode } = container?.look ?? {}
  if (status === 'removing') {
    return new SourceError('redis-removing', `Container ${name} is being removed`, { next: 'Pull again.' })
  }
  const ended = exitCode ? `: it ended with exit status ${exitCode}` : ''
  return new SourceError(
    'redis-restarting',
    `${nameOf(config)} comes and goes: container ${name} does not stay up${ended}`,
    {
      next: `Look into its log: docker logs ${name}. When it is stopped (docker stop ${name}), its files are taken as they lie.`,
    },
  )
}

/** Without redis-cli: whether anything listens there. When that can't be told either, it is taken to listen. */
async function listens({ context, config: { at } }: Session): Promise<boolean> {
  if (!('address' in at)) return true
  try {
    const socket = await context.host.connectTcp(at.address, at.port, context.signal)
    socket.on('error', () => {})
    socket.destroy()
    return true
  } catch (error) {
    context.signal.throwIfAborted()
    if (!(error instanceof RemoteError)) throw error
    return error.code !== 'tcp-refused'
  }
}

/**
 * The directory that Redis writes to must be the one that is captured. Throws SourceError naming both.
 * Where the server does not tell its own (CONFIG refused), the configured one is believed, with a notice. Returns false
 * where only its process tells another one, and an RDB is asked for, which the server hands out wherever it works.
 */
export function checkDirectory(session: Session, inspection: Inspection): boolean {
  const { context, config, container, location } = session
  const { refused } = inspection
  const { dir } = inspection.settings
  if (container !== undefined) {
    const start = container.start && startDirectory(container.start)
    const inside = dir ?? start
    if (inside) checkMount(session, inside, inspection.directory.real)
    if (inside || !isRunningContainer(container)) return true
  }
  if (refused.dir !== undefined) {
    const known = dir === undefined ? '' : `; as its process tells, it works in ${dir || 'one that is gone'}`
    context.notice({
      code: 'redis-config-refused',
      message: `${nameOf(config)} does not tell its settings${known || `; ${location.directory} is believed to be its directory`}`,
      next: configRefused(config, refused.dir),
    })
  }
  if (dir === undefined) return true
  if (dir === '') {
    throw new SourceError(
      'redis-dir-gone',
      `The directory that ${nameOf(config)} writes to was moved or removed beneath it: what it saves is lost`,
      {
        next: `Do not restart Redis, its data is only in memory. Save it on the server with: redis-cli --rdb /var/tmp/rescue.rdb; then start Redis again with that file in ${location.directory}.`,
      },
    )
  }
  if (inspection.dirReal === inspection.directory.real || dir === location.directory) return true
  if (refused.dir !== undefined && config.capture === 'rdb') return false
  throw new SourceError(
    'redis-other-directory',
    `${nameOf(config)} writes to ${dir}, not to ${location.directory}`,
    {
      next: `Set \`path\` of this source to ${dir}, or \`address\` to the Redis that writes to ${location.directory}.`,
    },
  )
}

/** A directory in the container must be the source's, by a bind mount or a volume. */
function checkMount({ config, container, location }: Session, inside: string, real: string): void {
  const outside = container?.pathOnServer(inside)
  if (outside === undefined) {
    throw new SourceError(
      'redis-not-mounted',
      `${nameOf(config)} writes to ${inside} in container ${container?.look?.name}, where nothing of the server is mounted: its data goes with the container`,
      { next: `Mount a volume or a directory at ${inside}, and set \`path\` of this source to it.` },
    )
  }
  if (outside === real || outside === location.directory) return
  throw new SourceError(
    'redis-other-directory',
    `${nameOf(config)} writes to ${inside} in container ${container?.look?.name}, which is ${outside} on the server, not ${location.directory}`,
    { next: `Set \`path\` of this source to ${outside}.` },
  )
}
