import type { RedisSourceConfig } from '../config.ts'
import type { CaptureContext } from '../../contract.ts'
import { passwordLine } from '../../engine-place.ts'
import { findRedisContainer, portOf } from './container.ts'
import type { RedisContainer } from './container.ts'
import { locate } from './location.ts'
import type { Location } from './location.ts'
import { tlsInput } from './tls.ts'

/** What every step of a capture needs. */
export interface Session {
  readonly context: CaptureContext
  readonly config: RedisSourceConfig
  readonly location: Location
  /** Where it runs, when it is named by service or container. */
  readonly container?: RedisContainer
  /** Arguments of every script that talks to Redis; see redis_open in sources/redis/scripts/lib/redis.sh. */
  readonly server: readonly [host: string, port: string, user: string, tls: string, container: string]
  /** What these scripts read first: the password (empty for none), then the files of this machine for TLS. */
  readonly lines: readonly string[]
}

/** The lines as they go to stdin. */
export function stdinOf({ lines }: Pick<Session, 'lines'>): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(''))
}

/** Gathers it. Throws SourceError when the source can't be reached in the way that is configured. */
export async function openSession(context: CaptureContext, config: RedisSourceConfig): Promise<Session> {
  const { at } = config
  const password = await passwordLine(context, config.password, { code: 'redis', title: 'Redis' })
  const common = { context, config, location: locate(config, context.probe.deployment), lines: [password] }
  const user = config.username ?? ''
  if ('socket' in at) return { ...common, server: [`unix:${at.socket}`, '', user, 'no', ''] }
  if ('address' in at) {
    const tls = await tlsInput(context, at.tls)
    return {
      ...common,
      lines: [password, ...tls.lines],
      server: [at.address, String(at.port), user, tls.argument, ''],
    }
  }
  const container = await findRedisContainer(context, config, at)
  const id = isRunningContainer(container) ? (container.look?.id ?? '') : 'none'
  return {
    ...common,
    container,
    server: ['127.0.0.1', String(portOf(container.start)), user, 'no', id],
  }
}

/** One that can be asked. */
export function isRunningContainer({ look }: RedisContainer): boolean {
  return look?.status === 'running'
}
