import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  dingtalkRequest,
  feishuRequest,
  ntfyRequest,
  slackRequest,
  telegramRequest,
  wecomRequest,
} from '../../../src/notify/channels/chat.ts'
import { healthchecksRequest, uptimeKumaRequest } from '../../../src/notify/channels/ping.ts'
import { webhookRequest } from '../../../src/notify/channels/webhook.ts'
import type { Message } from '../../../src/notify/message.ts'

const now = new Date('2026-03-03T12:00:00.500Z')
const message: Message = {
  subject: '[relay-backup] prod: failure',
  text: 'prod: failure\n  a < b & c > d',
  alerts: [{ event: 'failure', host: 'prod', code: 'failing', message: 'a < b & c > d' }],
  at: now.toISOString(),
  machine: 'desk',
}
const long: Message = { ...message, text: '备份'.repeat(5000) }
const body = (request: { readonly body?: string }) => JSON.parse(request.body ?? '') as Record<string, never>

test('Slack: markup is escaped', () => {
  expect(body(slackRequest(message, 'https://hooks/x'))).toEqual({
    text: '[relay-backup] prod: failure\nprod: failure\n  a &lt; b &amp; c &gt; d',
  })
})

test('Telegram: the token is in the address, the chat in the body', () => {
  const request = telegramRequest(message, { server: 'https://api.telegram.org/', token: '1:A', chat: '-5' })
  expect(request.url).toBe('https://api.telegram.org/bot1:A/sendMessage')
  expect(body(request)).toMatchObject({
    chat_id: '-5',
    text: expect.stringContaining('a < b & c > d') as string,
  })
})

test('ntfy: title and priority in the headers', () => {
  expect(ntfyRequest(message, 'https://ntfy.sh/t', 'tk').headers).toMatchObject({
    title: message.subject,
    priority: 'high',
    authorization: 'Bearer tk',
  })
  const good = { ...message, alerts: [{ event: 'recovered', code: 'x', message: '' }] } as const
  expect(ntfyRequest(good, 'https://ntfy.sh/t', undefined).headers).toMatchObject({ priority: 'default' })
})

test('DingTalk: the signature of its documentation', () => {
  const request = dingtalkRequest(
    message,
    { url: 'https://oapi/robot/send?access_token=t', secret: 'SEC1' },
    now,
  )
  const sign = createHmac('sha256', 'SEC1').update(`${now.getTime()}\nSEC1`).digest('base64')
  expect(Object.fromEntries(new URL(request.url).searchParams)).toEqual({
    access_token: 't',
    timestamp: String(now.getTime()),
    sign,
  })
  expect(body(request)).toMatchObject({ msgtype: 'text' })
  expect(request.refused?.('{"errcode":310000,"errmsg":"sign not match"}')).toBe('sign not match')
  expect(request.refused?.('{"errcode":0,"errmsg":"ok"}')).toBeUndefined()
})

test('Feishu: the signature of its documentation', () => {
  const signed = body(feishuRequest(message, { url: 'https://open/hook/x', secret: 'k' }, now))
  const timestamp = String(Math.floor(now.getTime() / 1000))
  expect(signed).toMatchObject({
    timestamp,
    sign: createHmac('sha256', `${timestamp}\nk`).update('').digest('base64'),
    msg_type: 'text',
  })
  const plain = feishuRequest(message, { url: 'https://open/hook/x', secret: undefined }, now)
  expect(Object.keys(body(plain))).toEqual(['msg_type', 'content'])
  expect(plain.refused?.('{"code":19021,"msg":"sign match fail"}')).toBe('sign match fail')
})

test('WeCom and Telegram take so much, and a character is not cut in two', () => {
  const wecom = body(wecomRequest(long, 'https://qyapi/x')) as { text?: { content: string } }
  expect(Buffer.byteLength(wecom.text?.content ?? '')).toBeLessThanOrEqual(2048)
  expect(wecom.text?.content).toMatch(/[备份]…$/)
  const telegram = body(telegramRequest(long, { server: 'https://t', token: 't', chat: '1' })) as {
    text?: string
  }
  expect(Array.from(telegram.text ?? '').length).toBeLessThanOrEqual(4096)
})

test('a webhook signs time and body', () => {
  const request = webhookRequest(message, 'https://me/hook', 'key', now)
  const timestamp = request.headers?.['relay-backup-timestamp'] ?? ''
  expect(timestamp).toBe('1772539200')
  expect(request.headers?.['relay-backup-signature']).toBe(
    `sha256=${createHmac('sha256', 'key')
      .update(`${timestamp}.${request.body ?? ''}`)
      .digest('hex')}`,
  )
  expect(body(request)).toEqual({
    format: 1,
    at: message.at,
    machine: 'desk',
    subject: message.subject,
    text: message.text,
    alerts: message.alerts,
  })
  expect(webhookRequest(message, 'https://me/hook', undefined, now).headers).toEqual({
    'content-type': 'application/json; charset=utf-8',
  })
})

test('pings: start, exit code, up and down', () => {
  const end = { moment: 'end', id: 'u', exitCode: 3, text: 'failed: db', milliseconds: 1234.5 } as const
  const url = 'https://hc-ping.com/key/slug?create=1'
  expect(healthchecksRequest(url, { moment: 'start', id: 'u' }).url).toBe(
    'https://hc-ping.com/key/slug/start?create=1&rid=u',
  )
  expect(healthchecksRequest(url, end)).toMatchObject({
    url: 'https://hc-ping.com/key/slug/3?create=1&rid=u',
    body: 'failed: db',
  })
  const push = 'https://kuma/api/push/tok?status=up&msg=OK&ping='
  expect(uptimeKumaRequest(push, { moment: 'start', id: 'u' })).toBeUndefined()
  expect(uptimeKumaRequest(push, end)?.url).toBe(
    'https://kuma/api/push/tok?status=down&msg=failed%3A+db&ping=1235',
  )
  expect(uptimeKumaRequest(push, { ...end, exitCode: 0 })?.url).toBe(
    'https://kuma/api/push/tok?status=up&msg=OK&ping=1235',
  )
})
