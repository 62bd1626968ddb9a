import type { ChannelConfig } from './notify-config.ts'
import type { ScheduleConfig, ScheduleLife } from './schedule.ts'
import type { SecretReference } from './secret.ts'

/** The config after validation and normalisation: defaults filled in, paths absolute, durations in ms, sizes in bytes. */
export interface Config {
  /** Absolute path of the file it was read from. */
  readonly file: string
  /** Absolute path of the vault directory. */
  readonly vault: string
  readonly encryption: EncryptionConfig
  readonly compression: CompressionChoice
  readonly retention: RetentionPolicy
  /** Incrementals before the next full. */
  readonly fullEvery: number
  /** ms that a run may take; see `HostConfig`. */
  readonly runTimeout: number
  readonly alerts: AlertsConfig
  /** Who is told, in the file's order. */
  readonly notify: readonly ChannelConfig[]
  /** In the file's order. */
  readonly hosts: readonly HostConfig[]
  /** In the file's order. */
  readonly schedules: readonly ScheduleConfig[]
}

/** From when on something about backups needs a person. */
export interface AlertsConfig {
  /** ms since the last good backup. */
  readonly overdueAfter: number
  /** Pulls in a row that were not complete. */
  readonly afterFailures: number
  /** Part of a file system that is used, the vault's or a server's, from 0 to 1. */
  readonly disk: number
  /** ms after which a trouble that still holds is told again. */
  readonly remindEvery: number
  /** So many times as much, or as little, as usual is an anomaly. */
  readonly anomaly: { readonly size: number; readonly duration: number }
  readonly health: HealthLimits
}

/** From when on something about a server needs a person. Parts are from 0 to 1, times in ms. */
export interface HealthLimits {
  /** Of the connections, or clients, that a server of data takes at most. */
  readonly connections: number
  /** Of the memory that it may use. */
  readonly memory: number
  /** A cache that finds less of what it is asked for. */
  readonly hitRate: number
  /** The query that runs longest. */
  readonly query: number
  /** How far a replica is behind. */
  readonly lag: number
  /** Between the clock of the server and this machine's. */
  readonly clock: number
}

export type EncryptionConfig = {
  /** The newer AEAD packet form, which GnuPG 2.2 can't open. */
  readonly aead: boolean
  readonly allowUnauthenticatedStream: boolean
} & (
  | {
      readonly mode: 'recipients'
      /** Absolute paths of armored or binary certificates. */
      readonly recipients: readonly string[]
      readonly identity?: { readonly file: string } | { readonly gpg: string } | undefined
      readonly identityPassphrase?: SecretReference | undefined
    }
  | { readonly mode: 'passphrase'; readonly passphrase: SecretReference }
)

export type CompressionChoice =
  | { readonly kind: 'auto' }
  | { readonly kind: 'zstd'; readonly level: number }
  | { readonly kind: 'gzip'; readonly level: number }
  | { readonly kind: 'none' }

/** How many snapshots stay. Counts of complete pull snapshots; absent keys keep nothing by that rule. */
export interface RetentionPolicy {
  readonly last?: number | undefined
  readonly daily?: number | undefined
  readonly weekly?: number | undefined
  readonly monthly?: number | undefined
  readonly yearly?: number | undefined
  /** Everything younger than this, in ms. */
  readonly within?: number | undefined
  /** How long safety snapshots stay, in ms. */
  readonly safety: number
}

/** What our config says of a server. What it leaves open is as OpenSSH's config says. */
export interface SshConfig {
  /** A name, an address, or an alias of `~/.ssh/config`. */
  readonly host: string
  readonly port?: number | undefined
  readonly user?: string | undefined
  readonly identityFile?: string | undefined
  readonly identityPassphrase?: SecretReference | undefined
  /**
   * Path of an agent's socket; `true` means `$SSH_AUTH_SOCK`, `false` never. Absent: the agent is used when there is
   * one.
   */
  readonly agent?: string | boolean | undefined
  readonly password?: SecretReference | undefined
  /** Absolute path. */
  readonly knownHosts?: string | undefined
  /** ms between keep-alive messages; a peer that misses them is dead after 30 s. */
  readonly keepAlive?: number | undefined
  /** ms */
  readonly connectTimeout?: number | undefined
}

export interface HostConfig {
  readonly name: string
  readonly ssh: SshConfig
  /** As written, a leading `~/` means the remote user's home. */
  readonly deployment: string
  readonly sudo: boolean
  readonly tags: readonly string[]
  readonly retention: RetentionPolicy
  readonly compression: CompressionChoice
  readonly fullEvery: number
  /** ms that a run on this host may take before it is ended in order. */
  readonly runTimeout: number
  readonly services: ServicesConfig
  readonly sources: readonly SourceConfig[]
  /** The config names no sources: those of {@link sources} that exist on the server are meant. */
  readonly sourcesByDefault: boolean
  /** What `clean` may remove on the server. */
  readonly clean?: readonly CleanRule[] | undefined
  /** A command names it, and not the config. */
  readonly adHoc?: true | undefined
  /** The schedules whose snapshots have a retention of their own. */
  readonly lives?: readonly ScheduleLife[] | undefined
}

/** Old files of a source that may go from the server once a snapshot holds them. */
export interface CleanRule {
  readonly source: string
  /** In the syntax of model/path-filter.ts, below each path of the source. */
  readonly match: readonly string[]
  /** ms since the file was modified. */
  readonly olderThan: number
}

export interface HealthConfig {
  readonly url: string
  /** ms */
  readonly timeout: number
}

export type ServicesConfig = { readonly health?: HealthConfig | undefined } & (
  | { readonly manager: 'none' }
  | {
      readonly manager: 'compose'
      readonly file?: string | undefined
      readonly project?: string | undefined
      readonly data: readonly string[]
      readonly stop?: readonly string[] | undefined
    }
  | { readonly manager: 'docker'; readonly data: readonly string[]; readonly stop: readonly string[] }
  | { readonly manager: 'systemd'; readonly data: readonly string[]; readonly stop: readonly string[] }
  | {
      readonly manager: 'command'
      readonly stop: string
      readonly start: string
      readonly status?: string | undefined
      /** Variables that the lines read. */
      readonly secrets?: Readonly<Record<string, SecretReference>> | undefined
    }
)

/** Services (manager docker: containers; systemd: units) that hold still while a source is captured. */
export interface QuiesceConfig {
  readonly how: 'stop' | 'pause'
  /** In the order of stopping. */
  readonly services: readonly string[]
}

/** What of a database is captured. */
export const CAPTURE_TYPES = ['full', 'schema', 'data'] as const
export type CaptureType = (typeof CAPTURE_TYPES)[number]

/** A source of a host. What else it has belongs to its kind (sources/<kind>/config.ts). */
export interface SourceConfig {
  readonly name: string
  readonly kind: string
  readonly quiesce?: QuiesceConfig | undefined
  /** This source's own retention, when it differs from the host's. */
  readonly retention?: RetentionPolicy | undefined
  readonly [key: string]: unknown
}
