import { ALERT_EVENTS, type ChannelConfig, type Destination } from '../model/notify-config.ts'
import { normaliseSecret, type ResolvePath } from './contract.ts'
import { CHANNELS, PINGED } from './notify-schema.ts'
import type { ConfigInput } from './schema.ts'

type ChannelInput = NonNullable<ConfigInput['notify']>[number]

const TELEGRAM = 'https://api.telegram.org'

/** `notify:` as the program uses it. */
export function normaliseNotify(
  input: readonly ChannelInput[] | undefined,
  resolvePath: ResolvePath,
): ChannelConfig[] {
  const seen = new Map<string, number>()
  return (input ?? []).flatMap((channel) => {
    const to = destination(channel, resolvePath)
    if (to === undefined) return []
    const count = (seen.get(to.kind) ?? 0) + 1
    seen.set(to.kind, count)
    const on = PINGED.includes(to.kind)
      ? []
      : (channel.on ?? ALERT_EVENTS.filter((event) => event !== 'success'))
    return [{ name: count === 1 ? to.kind : `${to.kind}-${count}`, on, to }]
  })
}

function destination(channel: ChannelInput, resolvePath: ResolvePath): Destination | undefined {
  const kind = CHANNELS.find((name) => channel[name] !== undefined)
  const found = <T>(value: T | undefined): T => value as T
  type Reference = NonNullable<ChannelInput['slack']>
  const own = (reference: Reference) => normaliseSecret(reference, resolvePath)
  const perhaps = (reference: Reference | undefined) => reference && own(reference)
  switch (kind) {
    case undefined:
      return undefined
    case 'mail': {
      const { to, from, smtp } = found(channel.mail)
      const encryption = smtp.tls === true ? 'tls' : smtp.tls === false ? 'none' : 'starttls'
      return {
        kind,
        to: typeof to === 'string' ? [to] : to,
        from,
        smtp: {
          host: smtp.host,
          port: smtp.port ?? (encryption === 'tls' ? 465 : 587),
          encryption,
          user: smtp.user,
          password: perhaps(smtp.password),
          ca: smtp.ca === undefined ? undefined : resolvePath(smtp.ca),
        },
      }
    }
    case 'slack':
    case 'healthchecks':
    case 'uptimeKuma':
      return { kind, url: own(found(channel[kind])) }
    case 'webhook': {
      const { url, secret } = found(channel.webhook)
      return { kind, url, secret: perhaps(secret) }
    }
    case 'telegram': {
      const { token, chat, server } = found(channel.telegram)
      return { kind, token: own(token), chat, server: server ?? TELEGRAM }
    }
    case 'ntfy': {
      const { url, token } = found(channel.ntfy)
      return { kind, url, token: perhaps(token) }
    }
    case 'dingtalk':
    case 'feishu': {
      const { url, secret } = found(channel[kind])
      return { kind, url: own(url), secret: perhaps(secret) }
    }
    case 'wecom':
      return { kind, url: own(found(channel.wecom).url) }
    case 'command':
      return { kind, line: found(channel.command) }
  }
}
