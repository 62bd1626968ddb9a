import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import type { SmtpConfig } from '../../model/notify-config.ts'
import type { Message } from '../message.ts'
import { notDelivered } from './http.ts'

/** Characters of a server's answer that are shown. */
const SHOWN = 200
/** A server that says a little now and then would never end: all of it may take so many silences. */
const SILENCES = 6

export interface MailOptions {
  readonly to: readonly string[]
  readonly from: string
  readonly smtp: SmtpConfig
  /** Revealed; goes into no message. */
  readonly password: string | undefined
  /** ms for each silence of the server; six times as long for all of it. */
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
  const whole = timeout * SILENCES
  const limit = AbortSignal.any([signal, AbortSignal.timeout(whole)])
  const transport = createTransport({
    host: smtp.host,
    port: smtp.port,
    secure: smtp.encryption === 'tls',
    requireTLS: smtp.encryption === 'starttls',
    ignoreTLS: smtp.encryption === 'none',
    ...(smtp.user === undefined ? {} : { auth: { user: smtp.user, pass: password ?? '' } }),
    ...(ca === undefined ? {} : { tls: { ca } }),
    // A socket of ours, which the signal ends whatever nodemailer waits for.
    getSocket: (_, taken) => {
      const socket = connect({ host: smtp.host, port: smtp.port, signal: limit })
      once(socket, 'connect', { signal: AbortSignal.timeout(timeout) }).then(
        () => {
          taken(null, { connection: socket })
        },
        (error: unknown) => {
          socket.destroy()
          taken(error as Error, undefined)
        },
      )
    },
    connectionTimeout: timeout,
    greetingTimeout: timeout,
    socketTimeout: timeout,
    dnsTimeout: timeout,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  try {
    await transport.sendMail({
      from: options.from,
      to: [...options.to],
      subject: message.subject,
      text: `${message.text}\n`,
      ...(message.html === undefined ? {} : { html: message.html }),
      // RFC 3834: nobody's holiday answers it.
      headers: { 'Auto-Submitted': 'auto-generated' },
    })
  } catch (error) {
    signal.throwIfAborted()
    if (limit.aborted) throw notDelivered(`${smtp.host}:${smtp.port} took longer than ${whole / 1000} s`)
    const said = error instanceof Error ? error.message.replace(/\s+/g, ' ') : String(error)
    const safe = password === undefined || password === '' ? said : said.replaceAll(password, '…')
    throw notDelivered(`${smtp.host}:${smtp.port}: ${safe.slice(0, SHOWN)}`)
  } finally {
    transport.close()
  }
}
