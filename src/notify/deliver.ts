import pRetry from 'p-retry'
import { expected, type RelayError } from '../errors.ts'
import type { ChannelConfig } from '../model/notify-config.ts'
import type { SecretReference } from '../model/secret.ts'
import type { ResolveSecret } from '../secrets/contract.ts'
import {
  dingtalkRequest,
  feishuRequest,
  ntfyRequest,
  slackRequest,
  telegramRequest,
  wecomRequest,
} from './channels/chat.ts'
import { runCommand } from './channels/command.ts'
import { send, type ChannelRequest } from './channels/http.ts'
import { sendMail } from './channels/mail.ts'
import { healthchecksRequest, uptimeKumaRequest, type Ping } from './channels/ping.ts'
import { webhookRequest } from './channels/webhook.ts'
import type { Message } from './message.ts'

/** How patient a delivery is. */
export interface Patience {
  /** ms for one try. */
  readonly timeout: number
  /** Tries after the first. */
  readonly retries: number
  /** ms before the second; each later pause is three times as long. */
  readonly pause: number
}

/** A person at a terminal waits for it, so it is half a minute at most. */
export const PATIENCE: Patience = { timeout: 10_000, retries: 2, pause: 1000 }

export interface DeliveryDependencies {
  readonly resolveSecret: ResolveSecret
  readonly now: () => Date
  readonly patience: Patience
}

/** What is delivered: a message, or for `healthchecks` and `uptimeKuma` a moment of a run. */
export type Parcel =
  | { readonly message: Message; readonly ping?: undefined }
  | { readonly ping: Ping; readonly message?: undefined }

/**
 * Delivers to one channel, with pauses and more tries where another try may help. A channel that is not made for this kind of
 * parcel gets nothing.
 *
 * @returns the error, `not-delivered` or that of a secret, or undefined
 * @throws the signal's reason alone
 */
export async function deliver(
  channel: ChannelConfig,
  parcel: Parcel,
  dependencies: DeliveryDependencies,
  signal: AbortSignal,
): Promise<RelayError | undefined> {
  const { patience } = dependencies
  try {
    const attempt = await prepare(channel, parcel, dependencies, signal)
    if (attempt === undefined) return undefined
    await pRetry(attempt, {
      retries: patience.retries,
      minTimeout: patience.pause,
      factor: 3,
      signal,
      // Also what looks like a defect of fetch is tried again.
      shouldRetry: () => true,
    })
    return undefined
  } catch (thrown) {
    signal.throwIfAborted()
    return expected(thrown)
  }
}

/** Reveals the secrets once, and gives what one try does. */
async function prepare(
  { to }: ChannelConfig,
  { message, ping }: Parcel,
  { resolveSecret, now, patience: { timeout } }: DeliveryDependencies,
  signal: AbortSignal,
): Promise<(() => Promise<void>) | undefined> {
  const reveal = async (reference: SecretReference) => (await resolveSecret(reference, signal)).reveal()
  const perhaps = async (reference: SecretReference | undefined) => reference && (await reveal(reference))
  const http = (request: ChannelRequest) => () => send(request, timeout, signal)
  if (ping !== undefined) {
    if (to.kind === 'healthchecks') return http(healthchecksRequest(await reveal(to.url), ping))
    if (to.kind !== 'uptimeKuma') return undefined
    const request = uptimeKumaRequest(await reveal(to.url), ping)
    return request && http(request)
  }
  switch (to.kind) {
    case 'healthchecks':
    case 'uptimeKuma':
      return undefined
    case 'mail': {
      const password = await perhaps(to.smtp.password)
      return () => sendMail(message, { ...to, password, timeout }, signal)
    }
    case 'command':
      return () => runCommand(message, to.line, timeout, signal)
    case 'slack':
      return http(slackRequest(message, await reveal(to.url)))
    case 'webhook':
      return http(webhookRequest(message, to.url, await perhaps(to.secret), now()))
    case 'telegram':
      return http(telegramRequest(message, { ...to, token: await reveal(to.token) }))
    case 'ntfy':
      return http(ntfyRequest(message, to.url, await perhaps(to.token)))
    case 'dingtalk':
      return http(dingtalkRequest(message, await robot(to), now()))
    case 'feishu':
      return http(feishuRequest(message, await robot(to), now()))
    case 'wecom':
      return http(wecomRequest(message, await reveal(to.url)))
  }

  async function robot(of: { readonly url: SecretReference; readonly secret?: SecretReference | undefined }) {
    return { url: await reveal(of.url), secret: await perhaps(of.secret) }
  }
}
