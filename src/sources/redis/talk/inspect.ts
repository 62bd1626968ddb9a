import { ConnectionError, RemoteError, SourceError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../config.ts'
import { configRefused, nameOf, refusal } from '../failures.ts'
import { connectRedis } from './connect.ts'
import { ReplyError } from './connection.ts'
import type { RedisConnection } from './connection.ts'
import { startDirectory } from './container.ts'
import { notListening, unsettled } from './down.ts'
import { SETTINGS, parseInfo, parseLook } from './inspection.ts'
import type { Inspection, LeftPin, Look, Setting, Told } from './inspection.ts'
import { isRunningContainer } from './session.ts'
import type { Session } from './session.ts'
import { notRedis } from './unreached.ts'

/** The setting that is changed while AOF files are pinned: 0 is no rewrites. */
export const REWRITES = 'auto-aof-rewrite-percentage'

/** What a first look finds. */
interface FirstLook {
  readonly inspection: Inspection
  readonly state: 'up' | 'stopped'
  /** How often a setting was put back that a capture that died had left changed. */
  readonly settled: number
}

/**
 * Asks the server, looks at its directory, and judges whether the server is up. With `settle` what a capture that died
 * has left changed there is put back; without it nothing is changed.
 */
export async function inspect(
  session: Session,
  { settle }: { readonly settle: boolean },
): Promise<FirstLook> {
  const { container, location } = session
  const passing = container?.look?.status
  if (passing === 'restarting' || passing === 'removing') throw unsettled(session, passing)
  const inspection = await askServer(session)
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
  const state = stateOf(inspection)
  const settled = settle && state === 'up' ? await putBack(session, inspection.left) : 0
  return { inspection, state, settled }
}

/** The same without a judgement. Throws RemoteError when the script fails. */
export async function askServer(session: Session): Promise<Inspection> {
  const { container } = session
  const told = await meet(session)
  const { dir } = told.settings
  const asked = container === undefined && told.refused.dir !== undefined
  const pid = asked ? (told.info.get('process_id') ?? '') : ''
  const { processDir, ...seen } = await look(session, container === undefined ? (dir ?? '') : '', pid)
  return {
    ...seen,
    ...told,
    settings: { ...(processDir === undefined ? {} : { dir: processDir }), ...told.settings },
    dirReal: container === undefined || !dir ? seen.dirReal : container.pathOnServer(dir),
  }
}

/** What lies in the directory; the server is not asked. Throws RemoteError when it fails. */
export async function lookAtDirectory(session: Session): Promise<Inspection['directory']> {
  return (await look(session, '', '')).directory
}

/** Throws what a server is that neither answers as it should nor is down. */
export function stateOf({ state }: Inspection): 'up' | 'stopped' {
  if (state instanceof SourceError) throw state
  return state
}

async function look(session: Session, dir: string, pid: string): Promise<Look> {
  const { context, location } = session
  const result = await context.host.run(
    {
      script: 'sources/redis/look',
      patience: 'list',
      args: [location.directory, dir, pid],
      privilege: context.privilege,
      title: 'looking at the directory of Redis on the server',
    },
    { signal: context.signal },
  )
  const seen = result.status === 0 ? parseLook(result.stdout) : undefined
  if (seen !== undefined) return seen
  throw new RemoteError('redis-inspect', 'Looking at the directory of Redis on the server failed', {
    exitStatus: result.status,
    stderr: result.stderr,
    next: 'Look into the message above on the server, then run it again.',
  })
}

/** What a Redis says of itself that was not asked. */
const UNASKED: Omit<Told, 'state'> = { lacksCli: false, info: new Map(), settings: {}, refused: {} }

/** Asks the server what it is. Only what is no fault of its own is thrown. */
async function meet(session: Session): Promise<Told> {
  const { context, config, container } = session
  if (container !== undefined && !isRunningContainer(container)) return { ...UNASKED, state: 'stopped' }
  try {
    await using connection = await connectRedis(session)
    return await introduction(connection, config)
  } catch (error) {
    context.signal.throwIfAborted()
    // Where it is the whole connection to the server that was lost, the next step says so.
    if (error instanceof ConnectionError) return { ...UNASKED, state: notRedis(config, error.message) }
    if (!(error instanceof SourceError)) throw error
    const lacksCli = error.code === 'no-redis-cli'
    const isStopped = lacksCli
      ? container === undefined && !(await listens(session))
      : error.code === 'redis-down'
    if (!isStopped) return { ...UNASKED, lacksCli, state: error }
    return { ...UNASKED, lacksCli, state: container === undefined ? 'stopped' : notListening(session, error) }
  }
}

async function introduction(connection: RedisConnection, config: RedisSourceConfig): Promise<Told> {
  const pong = connection.ask('PING')
  const answers = connection.askAll([['INFO'], ...SETTINGS.map((name) => ['CONFIG', 'GET', name])])
  // A server that does not want to talk to us closes the connection behind its first answer.
  answers.catch(() => {})
  const ping = await pong
  const isLoading = ping instanceof ReplyError && ping.message.startsWith('LOADING')
  if (ping instanceof ReplyError && !isLoading) throw refusal(config, 'PING it', ping.message)
  const [infoReply, ...values] = await answers
  const info = parseInfo(Buffer.isBuffer(infoReply) ? infoReply.toString('utf8') : '')
  const enabled = info.get('aof_enabled')
  const settings: Partial<Record<Setting, string>> =
    enabled === undefined ? {} : { appendonly: enabled === '1' ? 'yes' : 'no' }
  const refused: Partial<Record<Setting, string>> = {}
  for (const [at, name] of SETTINGS.entries()) {
    const reply = values[at]
    if (reply instanceof ReplyError) refused[name] = reply.message
    if (Array.isArray(reply) && reply.length === 2) settings[name] = String(reply[1])
  }
  const state = isLoading || info.get('loading') === '1' ? refusal(config, 'save', 'LOADING') : 'up'
  return {
    state: infoReply instanceof ReplyError ? refusal(config, 'ask for INFO', infoReply.message) : state,
    lacksCli: false,
    ...{ info, settings, refused },
  }
}

/** Only over the 0 that a pin sets. What the server refuses is left for the next time. */
async function putBack(session: Session, pins: readonly LeftPin[]): Promise<number> {
  if (pins.length === 0) return 0
  const { context, location } = session
  await using connection = await connectRedis(session)
  const done: string[] = []
  let settled = 0
  for (const { id, percentage } of pins) {
    const now = percentage === '' ? [] : await connection.ask('CONFIG', 'GET', REWRITES)
    if (!Array.isArray(now)) continue
    if (String(now[1]) === '0') {
      if (String(await connection.ask('CONFIG', 'SET', REWRITES, percentage)) !== 'OK') continue
      settled += 1
    }
    done.push(id)
  }
  await context.host.run(
    {
      script: 'sources/redis/aof-forget',
      args: [location.directory, ...done],
      privilege: context.privilege,
      title: 'removing what a capture has left',
    },
    { signal: context.signal },
  )
  return settled
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
