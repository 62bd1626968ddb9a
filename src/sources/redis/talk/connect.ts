import { RemoteError, SourceError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../config.ts'
import { formatDuration } from '../../../model/units.ts'
import type { RemoteHost } from '../../../remote/contract.ts'
import { nameOf, refusal } from '../failures.ts'
import { CliConnection } from './cli-connection.ts'
import { ReplyError } from './connection.ts'
import type { Argument, Bounds, RedisConnection, Reply } from './connection.ts'
import { toSpeak } from '../../engine-place.ts'
import { isDown, noCli, unsettled } from './down.ts'
import { isRunningContainer, stdinOf } from './session.ts'
import type { Session } from './session.ts'
import { TcpConnection } from './tcp-connection.ts'
import { whyUnreached } from './unreached.ts'

/** The exit statuses of what SIGKILL and SIGTERM ended. */
const KILLED: ReadonlySet<number> = new Set([137, 143])

/**
 * Opens a conversation with the Redis of a source: by TCP from the server's side; by redis-cli there for one that speaks
 * TLS (its files may be the server's), at a unix socket, or in a container (whose port may be nowhere else), and where the
 * server forwards nothing. It ends with the context's signal. Throws SourceError when it is not there, does not let us in
 * or says nothing.
 */
export async function connectRedis(session: Session): Promise<RedisConnection> {
  const { context, config } = session
  const { at } = config
  const isPlain = 'address' in at && at.tls === false
  if (!isPlain) return connectByCli(session)
  let socket
  try {
    socket = await context.host.connectTcp(at.address, at.port, context.signal)
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error
    if (error.code === 'tcp-refused') throw isDown(session)
    return connectByCli(session)
  }
  const connection = new TcpConnection(socket, boundsOf(context, nameOf(config)))
  try {
    await logIn(session, connection)
    return connection
  } catch (error) {
    await connection[Symbol.asyncDispose]()
    throw error
  }
}

async function logIn(
  { config, lines: [password = ''] }: Session,
  connection: RedisConnection,
): Promise<void> {
  if (password === '') return
  const user = config.username === undefined ? [] : [config.username]
  const answer = await connection.ask('AUTH', ...user, password)
  // A server without a password takes none, and lets everybody in.
  if (answer instanceof ReplyError && !/no password is set|without any password/i.test(answer.message)) {
    throw refusal(config, 'in', answer.message)
  }
}

async function connectByCli(session: Session): Promise<RedisConnection> {
  const { context, config, container } = session
  if (container !== undefined && !isRunningContainer(container)) throw isDown(session)
  const privilege = container === undefined ? context.privilege : toSpeak(context.privilege)
  const process = await context.host.spawn(
    {
      script: 'sources/redis/session',
      patience: 'work',
      args: session.server,
      privilege,
      title: 'redis-cli on the server',
    },
    { signal: context.signal },
  )
  return new CliConnection(
    process,
    {
      input: stdinOf(session),
      unreached: (said) => unreached(session, said),
      ended: ({ status, stderr }, said) => {
        if (status === 127 || said.includes('executable file not found')) return noCli(session)
        // A container that ends kills what runs in it.
        if (container !== undefined && said.trim() === '' && KILLED.has(status))
          return unsettled(session, 'restarting')
        return unreached(session, said || stderr)
      },
    },
    boundsOf(context, nameOf(config)),
  )
}

/** How long it may be silent, and until when it goes on; `name` is what a person calls it. */
export function boundsOf(
  { host, signal }: { readonly host: RemoteHost; readonly signal: AbortSignal },
  name: string,
): Bounds {
  return {
    silence: { first: host.silence('ask'), later: host.silence('work') },
    silent: (ms) =>
      new SourceError(
        'redis-silent',
        `${name} has said nothing for ${formatDuration(ms)}, though it takes the connection`,
        {
          next: 'Look on the server at what Redis is busy with: its log, and redis-cli SLOWLOG GET; and check `tls` of this source. Then run it again.',
        },
      ),
    signal,
  }
}

function unreached(session: Session, said: string): SourceError {
  const { config, context, container } = session
  // The container went since it was looked at. This error is Docker's, not Redis's.
  if (
    container !== undefined &&
    /^(?:Error response from daemon|OCI runtime exec failed):|\bcontainer \S+ is (?:not running|restarting)/im.test(
      said,
    )
  ) {
    return unsettled(session, 'restarting')
  }
  return whyUnreached(said, config, context.probe.uid) ?? isDown(session, said)
}

/** Asks a server that must not refuse; an error answer is thrown as a SourceError that says what was tried. */
export async function demand(
  connection: RedisConnection,
  config: RedisSourceConfig,
  doing: string,
  ...args: readonly Argument[]
): Promise<Reply> {
  return accepted(await connection.ask(...args), config, doing)
}

/** The answer, unless it is an error. */
export function accepted(reply: Reply, config: RedisSourceConfig, doing: string): Exclude<Reply, ReplyError> {
  if (reply instanceof ReplyError) throw refusal(config, doing, reply.message)
  return reply
}
