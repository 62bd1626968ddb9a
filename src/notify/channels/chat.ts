import { createHmac } from 'node:crypto'
import { addressOf, json, type ChannelRequest } from './http.ts'
import type { Message } from '../message.ts'

// The requests of chat services: functions of the message, the revealed secrets and the time.

/** WeCom takes 2,048 bytes of text, Telegram 4,096 characters; the others take more. */
const LIMITS = { wecom: 2048, telegram: 4096, slack: 30_000, robot: 15_000 }

/** https://api.slack.com/messaging/webhooks; `&`, `<` and `>` are escaped as Slack wants it. */
export function slackRequest({ subject, text }: Message, url: string): ChannelRequest {
  const escaped = cut(`${subject}\n${text}`, LIMITS.slack)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
  return { url, ...json({ text: escaped }) }
}

/** https://core.telegram.org/bots/api#sendmessage */
export function telegramRequest(
  { subject, text }: Message,
  { server, token, chat }: { readonly server: string; readonly token: string; readonly chat: string },
): ChannelRequest {
  const body = {
    chat_id: chat,
    text: cut(`${subject}\n${text}`, LIMITS.telegram),
    link_preview_options: { is_disabled: true },
  }
  return { url: `${server.replace(/\/$/, '')}/bot${token}/sendMessage`, ...json(body) }
}

/** https://docs.ntfy.sh/publish/ */
export function ntfyRequest(
  { subject, text, alerts }: Message,
  url: string,
  token: string | undefined,
): ChannelRequest {
  const isGood = alerts.every(({ event }) => event === 'recovered' || event === 'success')
  return {
    url,
    headers: {
      title: subject,
      priority: isGood ? 'default' : 'high',
      tags: isGood ? 'white_check_mark' : 'warning',
      'content-type': 'text/plain; charset=utf-8',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: text,
  }
}

/**
 * https://open.dingtalk.com/document/robots/customize-robot-security-settings: the signature of time and key goes into the
 * address.
 */
export function dingtalkRequest(
  { subject, text }: Message,
  { url, secret }: { readonly url: string; readonly secret: string | undefined },
  now: Date,
): ChannelRequest {
  const address = addressOf(url)
  if (secret !== undefined) {
    const timestamp = String(now.getTime())
    address.searchParams.set('timestamp', timestamp)
    address.searchParams.set(
      'sign',
      createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64'),
    )
  }
  const content = cut(`${subject}\n${text}`, LIMITS.robot)
  return {
    url: address.href,
    ...json({ msgtype: 'text', text: { content } }),
    refused: byCode('errcode', 'errmsg'),
  }
}

/**
 * https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot: time and key are the key of a signature of nothing.
 */
export function feishuRequest(
  { subject, text }: Message,
  { url, secret }: { readonly url: string; readonly secret: string | undefined },
  now: Date,
): ChannelRequest {
  const timestamp = String(Math.floor(now.getTime() / 1000))
  const signature =
    secret === undefined
      ? {}
      : { timestamp, sign: createHmac('sha256', `${timestamp}\n${secret}`).update('').digest('base64') }
  const content = { text: cut(`${subject}\n${text}`, LIMITS.robot) }
  return { url, ...json({ ...signature, msg_type: 'text', content }), refused: byCode('code', 'msg') }
}

/** https://developer.work.weixin.qq.com/document/path/91770 */
export function wecomRequest({ subject, text }: Message, url: string): ChannelRequest {
  const content = cut(`${subject}\n${text}`, LIMITS.wecom)
  return { url, ...json({ msgtype: 'text', text: { content } }), refused: byCode('errcode', 'errmsg') }
}

/** These services answer 200 also to what they refuse; the answer has a code then. */
function byCode(code: string, message: string): (answer: string) => string | undefined {
  return (answer) => {
    let said: Record<string, unknown>
    try {
      said = JSON.parse(answer) as Record<string, unknown>
    } catch {
      return undefined
    }
    const value = said[code]
    if (value === undefined || value === 0) return undefined
    const text = said[message]
    return typeof text === 'string' ? text : `${code} ${typeof value === 'number' ? value : '?'}`
  }
}

/** Cut to so many bytes of UTF-8, at the end of a character. */
function cut(text: string, bytes: number): string {
  const all = Buffer.from(text)
  if (all.length <= bytes) return text
  const room = bytes - Buffer.byteLength('…')
  let end = room
  while (end > 0 && ((all[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return `${all.subarray(0, end).toString('utf8')}…`
}
