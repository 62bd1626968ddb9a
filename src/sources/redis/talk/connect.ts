import { SourceError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../config.ts'
import type { RestoreContext } from '../../contract.ts'
import { isRunningContainer, stdinOf } from './connection.ts'
import type { Session } from './connection.ts'
import { toSpeak } from './container.ts'
import { nameOf, refusal } from '../failures.ts'
import { CliConnection } from './cli-client.ts'
import { RedisClient, ReplyError } from './client.ts'
import type { Argument, RedisConnection, Reply } from './client.ts'
import { restoreSession } from '../restore/look.ts'

/** The target of a merge, from the server's side. Throws SourceError when it does not let us in. */
export async function connectTarget(
  context: RestoreContext,
  config: RedisSourceConfig,
): Promise<RedisConnection> {
  const at = config.at
  if (!('address' in at) || at.tls !== false) return connectByCli(await restoreSession(context, config))
  const password =
    config.password === undefined ? '' : (await context.secret(config.password, context.signal)).reveal()
  const client = new RedisClient(await context.host.connectTcp(at.address, at.port, context.signal))
  if (password !== '') {
    const user = config.username === undefined ? [] : [config.username]
    const answer = await client.ask('AUTH', ...user, password)
    // A server without a password takes none, and lets everybody in.
    if (answer instanceof ReplyError && !/no password is set/i.test(answer.message)) {
      await client[Symbol.asyncDispose]()
      throw refusal(config, 'in', answer.message)
    }
  }
  return client
}

/**
 * Through redis-cli, which speaks for us in a container, whose port may be nowhere else, by TLS with the files that it
 * takes, and to a unix socket.
 */
async function connectByCli(session: Session): Promise<RedisConnection> {
  const { context, config, container } = session
  if (container !== undefined && !isRunningContainer(container)) {
    throw new SourceError('redis-down', `${nameOf(config)} does not run`, {
      next: `Start it: docker start ${container.look?.name ?? ''}`.trim(),
    })
  }
  return new CliConnection(
    await context.host.spawn(
      {
        script: 'sources/redis/merge-session',
        patience: 'work',
        args: session.server,
        privilege: container === undefined ? context.privilege : toSpeak(context.privilege),
        title: 'redis-cli on the server',
      },
      { signal: context.signal },
    ),
    stdinOf(session),
  )
}

/** Closes the connection when the run is interrupted, so that whoever waits for an answer is woken up. */
export function closeOnAbort(client: RedisConnection, signal: AbortSignal): Disposable {
  const close = (): void => void client[Symbol.asyncDispose]()
  signal.addEventListener('abort', close)
  if (signal.aborted) close()
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', close) }
}

/** Asks a server that must not refuse; an error answer is thrown as a SourceError that says what was tried. */
export async function demand(
  client: RedisConnection,
  config: RedisSourceConfig,
  doing: string,
  ...args: readonly Argument[]
): Promise<Reply> {
  return accepted(await client.ask(...args), config, doing)
}

/** The answer, unless it is an error. */
export function accepted(reply: Reply, config: RedisSourceConfig, doing: string): Exclude<Reply, ReplyError> {
  if (reply instanceof ReplyError) throw refusal(config, doing, reply.message)
  return reply
}
