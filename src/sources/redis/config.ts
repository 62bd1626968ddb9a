import type { SourceConfig } from '../../model/config.ts'
import type { SecretReference } from '../../model/secret.ts'
import type { RedisCaptureForm } from './facts.ts'

/** A file that redis-cli needs for TLS: on the server, or on this machine; both absolute. */
export type RedisTlsFile = { readonly server: string } | { readonly here: string }

export interface RedisTlsConfig {
  /** Whom to trust; absent: whom the server's system trusts. */
  readonly ca?: RedisTlsFile | undefined
  /** What to show when Redis asks for a certificate; both or none. */
  readonly cert?: RedisTlsFile | undefined
  readonly key?: RedisTlsFile | undefined
  /** The name to ask for (SNI). */
  readonly serverName?: string | undefined
  /** Takes every certificate. */
  readonly insecure: boolean
}

export interface RedisSourceConfig extends SourceConfig {
  readonly kind: 'redis'
  /** The data directory, relative to the deployment, or absolute. */
  readonly path: string
  readonly capture: RedisCaptureForm
  /** How the server is found; absent: 127.0.0.1:6379 as seen from the host. */
  readonly at:
    | { readonly service: string }
    | { readonly container: string }
    | { readonly address: string; readonly port: number; readonly tls: boolean | RedisTlsConfig }
    /** A unix socket of the server, absolute. */
    | { readonly socket: string }
  readonly username?: string | undefined
  readonly password?: SecretReference | undefined
  /** What its next start loads, where that can't be found out on the server: AOF (`appendonly yes`) or RDB. */
  readonly startsWith?: 'aof' | 'rdb' | undefined
}
