import type { SecretReference } from './secret.ts'

/** What a channel can be told of. Drills and copies will have theirs when there are any. */
export const ALERT_EVENTS = [
  'failure',
  'partial',
  'overdue',
  'recovered',
  'shrunk',
  'anomaly',
  'disk',
  'verify-failed',
  'success',
  'report',
] as const
export type AlertEvent = (typeof ALERT_EVENTS)[number]

/** How the connection to a mail server is encrypted. `none` sends in the clear. */
export type SmtpEncryption = 'starttls' | 'tls' | 'none'

export interface SmtpConfig {
  readonly host: string
  readonly port: number
  readonly encryption: SmtpEncryption
  readonly user?: string | undefined
  readonly password?: SecretReference | undefined
  /** Absolute path of the certificates that are trusted instead of the system's. */
  readonly ca?: string | undefined
}

/** Where a message goes. A URL that lets whoever knows it write is a secret. */
export type Destination =
  | {
      readonly kind: 'mail'
      readonly to: readonly string[]
      readonly from: string
      readonly smtp: SmtpConfig
    }
  | { readonly kind: 'slack'; readonly url: SecretReference }
  | { readonly kind: 'webhook'; readonly url: string; readonly secret?: SecretReference | undefined }
  | {
      readonly kind: 'telegram'
      readonly token: SecretReference
      readonly chat: string
      /** Of the Bot API. */
      readonly server: string
    }
  | { readonly kind: 'ntfy'; readonly url: string; readonly token?: SecretReference | undefined }
  | {
      readonly kind: 'dingtalk' | 'feishu'
      readonly url: SecretReference
      readonly secret?: SecretReference | undefined
    }
  | { readonly kind: 'wecom'; readonly url: SecretReference }
  | { readonly kind: 'command'; readonly line: string }
  | { readonly kind: 'healthchecks' | 'uptimeKuma'; readonly url: SecretReference }

/** One entry of `notify:`. */
export interface ChannelConfig {
  /** Its kind, and a number where there are several of it: `slack`, `slack-2`. */
  readonly name: string
  /** Empty for `healthchecks` and `uptimeKuma`, which are told of each run. */
  readonly on: readonly AlertEvent[]
  readonly to: Destination
}

/** Where the secrets of a destination are to be found. */
export function secretsOf(to: Destination): readonly SecretReference[] {
  switch (to.kind) {
    case 'mail':
      return to.smtp.password === undefined ? [] : [to.smtp.password]
    case 'webhook':
      return to.secret === undefined ? [] : [to.secret]
    case 'telegram':
      return [to.token]
    case 'ntfy':
      return to.token === undefined ? [] : [to.token]
    case 'dingtalk':
    case 'feishu':
      return to.secret === undefined ? [to.url] : [to.url, to.secret]
    case 'slack':
    case 'wecom':
    case 'healthchecks':
    case 'uptimeKuma':
      return [to.url]
    case 'command':
      return []
  }
}
