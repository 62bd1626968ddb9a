import { randomBytes } from 'node:crypto'
import { RemoteError, SourceError } from '../../../errors.ts'
import type { RedisFacts } from '../facts.ts'
import { fieldsOf } from '../../../model/talk.ts'
import type { Lease } from '../../../remote/contract.ts'
import type { RestoreContext } from '../../contract.ts'
import { stdinOf } from '../talk/session.ts'
import { toSpeak } from '../../engine-place.ts'
import { boundsOf } from '../talk/connect.ts'
import { CliConnection } from '../talk/cli-connection.ts'
import { ReplyError } from '../talk/connection.ts'
import { TcpConnection } from '../talk/tcp-connection.ts'
import type { RedisConnection } from '../talk/connection.ts'
import { readStaged, runSteps, tellProgress } from '../restore/arrange.ts'
import { scratchArrangement } from '../restore/plan.ts'
import type { RedisStart } from '../start/next-start.ts'

/** A redis-server of our own on the host that holds what was captured. Disposing it ends the server. */
export interface Scratch extends AsyncDisposable {
  readonly client: RedisConnection
}

/**
 * Loads what is staged into a server of its own, reachable on a free port of the host's loopback, by a password that
 * nobody else has. The staged directory is used up by it. `settings` are lines of its configuration.
 */
export async function openScratch(
  context: RestoreContext,
  staged: string,
  facts: RedisFacts,
  binary: NonNullable<RedisStart['binary']>,
  settings: readonly string[],
): Promise<Scratch> {
  const files = await readStaged(context, staged)
  const plan = scratchArrangement(files, facts, binary)
  await runSteps(context, staged, plan.steps)
  const password = randomBytes(24).toString('hex')
  const lease = await context.host.lease(
    {
      script: 'sources/redis/merge-scratch',
      patience: 'work',
      args: [`${staged}/${plan.directory}`, binary.path, plan.databases, plan.line, ...settings],
      privilege: context.privilege,
      title: 'loading the snapshot into a Redis of its own',
    },
    { firstLines: [password], signal: context.signal },
  )
  try {
    const place = await whenReady(context, lease)
    const client = await connect(context, place, password)
    const answer = await client.ask('AUTH', password)
    if (answer instanceof ReplyError) throw new Error(`the scratch server refuses us: ${answer.message}`)
    return {
      client,
      [Symbol.asyncDispose]: async () => {
        await client[Symbol.asyncDispose]()
        await lease[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await lease[Symbol.asyncDispose]()
    throw error
  }
}

interface Place {
  readonly port: string
  /** Empty: on the host. */
  readonly container: string
}

async function connect(
  context: RestoreContext,
  { port, container }: Place,
  password: string,
): Promise<RedisConnection> {
  const { host, privilege, signal } = context
  const bounds = boundsOf(context, 'The redis-server that loads the snapshot')
  if (container === '') {
    return new TcpConnection(await host.connectTcp('127.0.0.1', Number(port), signal), bounds)
  }
  const title = 'redis-cli in the container that loads the snapshot'
  const args = ['127.0.0.1', port, '', 'no', container]
  const ended = (said: string): Error =>
    new RemoteError('redis-merge-scratch', `${title} was cut off`, { stderr: said, next: 'Restore again.' })
  return new CliConnection(
    await host.spawn(
      { script: 'sources/redis/session', patience: 'work', args, privilege: toSpeak(privilege), title },
      { signal },
    ),
    { input: stdinOf({ lines: [password] }), unreached: ended, ended: (_exit, said) => ended(said) },
    bounds,
  )
}

async function whenReady(context: RestoreContext, lease: Lease): Promise<Place> {
  for (;;) {
    const line = await lease.nextLine(context.signal)
    if (line === undefined) {
      const exit = await lease.release()
      throw new RemoteError('redis-merge-scratch', 'Loading the snapshot was cut off on the server', {
        exitStatus: exit.status,
        stderr: exit.stderr,
        next: 'Restore again.',
      })
    }
    const [word, first = '', container = ''] = fieldsOf(line)
    if (word === 'ready') return { port: first, container }
    if (word === 'failed') {
      throw new SourceError(
        'redis-merge-scratch',
        `A redis-server on the host can't load the snapshot: ${first}`,
        { next: 'Look into the reason above; there must be memory for the data a second time.' },
      )
    }
    tellProgress(context, line)
  }
}
