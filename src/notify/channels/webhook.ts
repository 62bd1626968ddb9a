import { createHmac } from 'node:crypto'
import type { Message } from '../message.ts'
import { json, type ChannelRequest } from './http.ts'

/** Of the document; a change that breaks readers gets another number. */
const FORMAT = 1

/**
 * The message as JSON (docs/design/operate.md, "Webhooks"). With a secret, the header `Relay-Backup-Signature` is
 * `sha256=` and the hex HMAC-SHA256, by that key, of the header `Relay-Backup-Timestamp` (seconds since the epoch), a dot,
 * and the body.
 */
export function webhookRequest(
  message: Message,
  url: string,
  secret: string | undefined,
  now: Date,
): ChannelRequest {
  const { subject, text, alerts, at, machine } = message
  const { headers, body = '' } = json({ format: FORMAT, at, machine, subject, text, alerts })
  if (secret === undefined) return { url, headers: { ...headers }, body }
  const timestamp = String(Math.floor(now.getTime() / 1000))
  const signature = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
  return {
    url,
    headers: {
      ...headers,
      'relay-backup-timestamp': timestamp,
      'relay-backup-signature': `sha256=${signature}`,
    },
    body,
  }
}
