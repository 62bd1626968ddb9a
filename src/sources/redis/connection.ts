import { SourceError } from '../../errors.ts'
import type { RedisSourceConfig } from '../../model/config.ts'
import type { CaptureContext } from '../contract.ts'
import { findRedisContainer, portOf } from './container.ts'
import type { RedisContainer } from './container.ts'
import { locate } from './location.ts'
import type { Location } from './location.ts'

/** What every step of a capture needs. */
export interface Session {
  readonly context: CaptureContext
  readonly config: RedisSourceConfig
  readonly location: Location
  readonly address: string
  readonly port: number
  /** Where it runs, when it is named by service or container. */
  readonly container?: RedisContainer
  /**
   * Arguments of every script that talks to Redis: host, port, user, whether by TLS, and the container to ask in
   * (empty: on the server itself; `none`: there is nobody to ask).
   */
  readonly server: readonly [host: string, port: string, user: string, tls: 'yes' | 'no', container: string]
  /** One line for the script's stdin; empty for none. */
  readonly password: string
}

/** Gathers it. Throws SourceError when the source can't be reached in the way that is configured. */
export async function openSession(context: CaptureContext, config: RedisSourceConfig): Promise<Session> {
  const { at } = config
  const common = {
    context,
    config,
    location: locate(config, context.probe.deployment),
    password: await passwordOf(context, config),
  }
  const user = config.username ?? ''
  if ('address' in at) {
    const { address, port, tls } = at
    return { ...common, address, port, server: [address, String(port), user, tls ? 'yes' : 'no', ''] }
  }
  const container = await findRedisContainer(context, config, at)
  const address = '127.0.0.1'
  const port = portOf(container.start)
  const id = isRunningContainer(container) ? (container.look?.id ?? '') : 'none'
  return { ...common, container, address, port, server: [address, String(port), user, 'no', id] }
}

/** One that can be asked. */
export function isRunningContainer({ look }: RedisContainer): boolean {
  return look?.status === 'running'
}

async function passwordOf(context: CaptureContext, config: RedisSourceConfig): Promise<string> {
  const password =
    config.password === undefined ? '' : (await context.secret(config.password, context.signal)).reveal()
  if (/[\n\0]/.test(password)) {
    throw new SourceError('redis-password-line', 'The password of Redis has a line break in it', {
      next: 'Check where `password` of this source points to: it must be the password alone.',
    })
  }
  return password
}
