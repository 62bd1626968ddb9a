import { SourceError } from '../../errors.ts'
import type { RedisSourceConfig } from '../../model/config.ts'
import type { CaptureContext } from '../contract.ts'
import { locate } from './location.ts'
import type { Location } from './location.ts'

/** What every step of a capture needs. */
export interface Session {
  readonly context: CaptureContext
  readonly config: RedisSourceConfig
  readonly location: Location
  readonly address: string
  readonly port: number
  /** Arguments of every script that talks to Redis: host, port, user, whether by TLS. */
  readonly server: readonly [host: string, port: string, user: string, tls: 'yes' | 'no']
  /** One line for the script's stdin; empty for none. */
  readonly password: string
}

/** Gathers it. Throws SourceError when the source can't be reached in the way that is configured. */
export async function openSession(context: CaptureContext, config: RedisSourceConfig): Promise<Session> {
  if (!('address' in config.at)) {
    throw new SourceError('redis-by-address-only', 'This version reaches Redis by address only', {
      next: 'Publish the port of Redis on 127.0.0.1 of the server and set `address: 127.0.0.1:6379` for this source.',
    })
  }
  const { address, port, tls } = config.at
  const password =
    config.password === undefined ? '' : (await context.secret(config.password, context.signal)).reveal()
  if (/[\n\0]/.test(password)) {
    throw new SourceError('redis-password-line', 'The password of Redis has a line break in it', {
      next: 'Check where `password` of this source points to: it must be the password alone.',
    })
  }
  return {
    context,
    config,
    location: locate(config, context.probe.deployment),
    address,
    port,
    server: [address, String(port), config.username ?? '', tls ? 'yes' : 'no'],
    password,
  }
}
