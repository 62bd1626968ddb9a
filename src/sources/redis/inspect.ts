import { RemoteError, SourceError } from '../../errors.ts'
import { addressOf } from './failures.ts'
import type { Session } from './connection.ts'
import { parseInspection } from './inspection.ts'
import type { Inspection } from './inspection.ts'
import { serverState } from './server-state.ts'

/** Looks at the directory and the server in one round trip and judges whether the server is up. */
export async function inspect(
  session: Session,
): Promise<{ readonly inspection: Inspection; readonly state: 'up' | 'stopped' }> {
  const { context, config, location } = session
  const result = await context.host.run(
    {
      script: 'redis-inspect',
      args: [...session.server, location.directory],
      privilege: context.privilege,
      title: 'asking Redis on the server',
    },
    { stdin: Buffer.from(`${session.password}\n`), signal: context.signal },
  )
  const inspection = result.status === 0 ? parseInspection(result.stdout) : undefined
  if (inspection === undefined) {
    throw new RemoteError('redis-inspect', 'Looking at Redis on the server failed', {
      exitStatus: result.status,
      stderr: result.stderr,
      next: 'Look into the message above on the server, then pull again.',
    })
  }
  if (inspection.directory.type !== 'directory') {
    const missing = inspection.directory.type === 'missing'
    throw new SourceError(
      missing ? 'no-such-path' : 'not-a-directory',
      `${location.directory} on the server is ${missing ? 'not there' : 'not a directory'}`,
      { next: 'Set `path` of this source to the data directory of Redis (redis-cli CONFIG GET dir).' },
    )
  }
  if (inspection.cli === undefined) {
    if (await listens(session)) {
      throw new SourceError('no-redis-cli', 'The server has no redis-cli', {
        next: 'Install it there (Debian, Ubuntu: apt-get install redis-tools; Alpine: apk add redis), then pull again.',
      })
    }
    return { inspection, state: 'stopped' }
  }
  const state = serverState(inspection, config)
  return { inspection, state }
}

/** Without redis-cli: whether anything listens there. When that can't be told either, something does. */
export async function listens(session: Session): Promise<boolean> {
  const { context, address, port } = session
  try {
    const socket = await context.host.connectTcp(address, port, context.signal)
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
 * Where the server does not tell its own (CONFIG refused), the configured one is believed, with a notice.
 */
export function checkDirectory(session: Session, inspection: Inspection): void {
  const { context, config, location } = session
  const { dir } = inspection.settings
  if (dir === undefined) {
    context.notice({
      code: 'redis-config-refused',
      message: `Redis at ${addressOf(config)} does not tell its settings; ${location.directory} is believed to be its directory`,
      next: `Let the user of the backup read them: ACL SETUSER ${config.username ?? 'default'} +config|get`,
    })
    return
  }
  if (dir === '') {
    throw new SourceError(
      'redis-dir-gone',
      `The directory that Redis at ${addressOf(config)} writes to was moved or removed beneath it: what it saves is lost`,
      {
        next: `Do not restart Redis, its data is only in memory. Save it on the server with: redis-cli --rdb /var/tmp/rescue.rdb; then start Redis again with that file in ${location.directory}.`,
      },
    )
  }
  if (inspection.dirReal === inspection.directory.real || dir === location.directory) return
  throw new SourceError(
    'redis-other-directory',
    `Redis at ${addressOf(config)} writes to ${dir}, not to ${location.directory}`,
    {
      next: `Set \`path\` of this source to ${dir}, or \`address\` to the Redis that writes to ${location.directory}.`,
    },
  )
}
