import { readFile } from 'node:fs/promises'
import type { SmtpConfig } from '../../model/notify-config.ts'
import type { Message } from '../message.ts'
import { notDelivered } from './http.ts'

/** Characters of a server's answer that are shown. */
const SHOWN = 200

export interface MailOptions {
  readonly to: readonly string[]
  readonly from: string
  readonly smtp: SmtpConfig
  /** Revealed; goes into no message. */
  readonly password: string | undefined
  /** ms for each silence of the server. */
  readonly timeout: number
}

/**
 * Sends a mail by SMTP. With `starttls` and `tls` nothing is sent to a server that does not encrypt or whose certificate is
 * not trusted. Throws RelayError `not-delivered`.
 */
export async function sendMail(message: Message, options: MailOptions, signal: AbortSignal): Promise<void> {
  const { smtp, password, timeout } = options
  const { createTransport } = await import('nodemailer')
  const ca = smtp.ca === undefined ? undefined : await readFile(smtp.ca)
  signal.throwIfAborted()
  const transport = createTransport({
    host: smtp.host,
    port: smtp.port,
    secure: smtp.encryption === 'tls',
    requireTLS: smtp.encryption === 'starttls',
    ignoreTLS: smtp.encryption === 'none',
    ...(smtp.user === undefined ? {} : { auth: { user: smtp.user, pass: password ?? '' } }),
    ...(ca === undefined ? {} : { tls: { ca } }),
    connectionTimeout: timeout,
    greetingTimeout: timeout,
    socketTimeout: timeout,
    dnsTimeout: timeout,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  const close = () => transport.close()
  signal.addEventListener('abort', close, { once: true })
  try {
    await transport.sendMail({
      from: options.from,
      to: [...options.to],
      subject: message.subject,
      text: `${message.text}\n`,
      // RFC 3834: nobody's holiday answers it.
      headers: { 'Auto-Submitted': 'auto-generated' },
    })
  } catch (error) {
    signal.throwIfAborted()
    const said = error instanceof Error ? error.message.replace(/\s+/g, ' ') : String(error)
    const safe = password === undefined || password === '' ? said : said.replaceAll(password, '…')
    throw notDelivered(`${smtp.host}:${smtp.port}: ${safe.slice(0, SHOWN)}`)
  } finally {
    signal.removeEventListener('abort', close)
    transport.close()
  }
}
