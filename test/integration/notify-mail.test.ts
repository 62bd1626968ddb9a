import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { SMTPServer } from 'smtp-server'
import { beforeAll, afterAll, expect, test } from 'vitest'
import type { SmtpConfig } from '../../src/model/notify-config.ts'
import { sendMail } from '../../src/notify/channels/mail.ts'
import { composeMessage, type Message } from '../../src/notify/message.ts'
import { makeCa, type Certificate } from '../lab/certificates.ts'
import { tempDir } from '../lab/temp.ts'

const PASSWORD = 'p4ss-w0rd'
const never = new AbortController().signal
const message = composeMessage(
  [
    {
      event: 'failure',
      host: 'prod',
      code: 'failing',
      message: 'Zürich: kein Weg → nirgends\n.\n.punkt',
      next: 'Look',
    },
  ],
  'desk',
  new Date('2026-03-03T12:00:00Z'),
)

let temp: Awaited<ReturnType<typeof tempDir>>
let ca: Certificate
let own: Certificate
beforeAll(async () => {
  temp = await tempDir('relay-mail-')
  const authority = await makeCa(temp.path, 'authority')
  ca = authority
  own = await authority.sign('localhost')
})
afterAll(() => temp[Symbol.asyncDispose]())

interface Mail {
  readonly user: string | undefined
  readonly secure: boolean
  readonly from: string
  readonly to: readonly string[]
  readonly raw: string
}

/** A mail server that wants its user's password. */
async function mailServer(options: {
  readonly secure?: boolean
  readonly hidden?: readonly string[]
  readonly refuses?: string
}) {
  const mails: Mail[] = []
  const server = new SMTPServer({
    secure: options.secure ?? false,
    hideSTARTTLS: options.hidden?.includes('STARTTLS') ?? false,
    disabledCommands: [...(options.hidden ?? [])],
    authOptional: options.hidden?.includes('AUTH') ?? false,
    key: await readFile(own.key),
    cert: await readFile(own.cert),
    logger: false,
    onAuth: ({ username, password }, _session, callback) => {
      if (password === PASSWORD) callback(null, { user: username ?? '' })
      else callback(new Error(`${password ?? ''} is wrong`))
    },
    onRcptTo: (_address, _session, callback) =>
      callback(
        options.refuses === undefined
          ? null
          : Object.assign(new Error(options.refuses), { responseCode: 550 }),
      ),
    onData: (stream, session, callback) => {
      void text(stream).then((raw) => {
        const { mailFrom, rcptTo } = session.envelope
        mails.push({
          user: session.user as string | undefined,
          secure: session.secure,
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          raw,
        })
        callback(null)
      })
    },
  })
  server.on('error', () => {})
  const listener = server.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    mails,
    port: (listener.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  }
}

const send = (
  port: number,
  smtp: Partial<SmtpConfig> = {},
  password: string | undefined = PASSWORD,
  timeout = 10_000,
  what: Message = message,
) =>
  sendMail(
    what,
    {
      to: ['ops@example.com', 'Me <me@example.com>'],
      from: 'Backups <backup@example.com>',
      smtp: { host: 'localhost', port, encryption: 'starttls', user: 'ops', ca: ca.cert, ...smtp },
      password,
      timeout,
    },
    never,
  )

test.each([
  ['STARTTLS', 'starttls', false],
  ['TLS from the first byte', 'tls', true],
] as const)('a mail arrives whole by %s', async (_name, encryption, secure) => {
  await using server = await mailServer({ secure })
  await send(server.port, { encryption })
  expect(server.mails).toMatchObject([
    { user: 'ops', secure: true, from: 'backup@example.com', to: ['ops@example.com', 'me@example.com'] },
  ])
  const raw = server.mails[0]?.raw ?? ''
  expect(raw).toMatch(/^Subject: \[relay-backup\] prod: failure\r$/m)
  expect(raw).toMatch(/^Auto-Submitted: auto-generated\r$/m)
  expect(raw).toMatch(/^Content-Transfer-Encoding: (quoted-printable|base64|8bit)\r$/m)
  const encoded = raw.slice(raw.indexOf('\r\n\r\n') + 4)
  expect(decoded(raw, encoded)).toBe(`${message.text}\n`)
})

function decoded(raw: string, encoded: string): string {
  if (/^Content-Transfer-Encoding: base64/m.test(raw)) return Buffer.from(encoded, 'base64').toString()
  const bytes = encoded
    .replaceAll('=\r\n', '')
    .replaceAll('\r\n', '\n')
    .replace(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString()
}

test('nothing is sent to a server that does not encrypt, or is not who it says', async () => {
  await using plain = await mailServer({ hidden: ['STARTTLS'] })
  await expect(send(plain.port)).rejects.toMatchObject({ code: 'not-delivered' })
  await using foreign = await mailServer({})
  await expect(send(foreign.port, { ca: undefined })).rejects.toThrow(/certificate|self.signed|verify/i)
  await expect(send(foreign.port, { host: '127.0.0.1' })).rejects.toThrow(/altnames|IP/i)
  expect([...plain.mails, ...foreign.mails]).toEqual([])
})

test('in the clear where the config says so', async () => {
  await using plain = await mailServer({ hidden: ['STARTTLS', 'AUTH'] })
  await send(plain.port, { encryption: 'none', user: undefined })
  expect(plain.mails).toMatchObject([{ secure: false }])
})

test('what a server says of a wrong password has no password in it', async () => {
  await using server = await mailServer({})
  const error = await send(server.port, {}, 'wr0ng-one').catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'not-delivered', message: expect.stringContaining('…') as string })
  expect(String((error as Error).stack)).not.toContain('wr0ng-one')
})

test('a server that refuses the address', async () => {
  await using server = await mailServer({ refuses: 'no such user here' })
  await expect(send(server.port)).rejects.toThrow(/localhost:\d+: .*no such user here/)
})

test.each([
  ['says nothing', () => ''],
  ['closes in the middle', () => undefined],
])('a server that %s', async (_name, answer) => {
  const silent = createServer((socket) => {
    socket.on('error', () => {})
    if (answer() === undefined) socket.end('220 hello\r\n')
  })
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  try {
    await expect(send(port, {}, PASSWORD, 200)).rejects.toMatchObject({ code: 'not-delivered' })
  } finally {
    silent.close()
  }
})

test('a server that says a little for ever is left, and one who stops it is not kept', async () => {
  const timers: NodeJS.Timeout[] = []
  let met: () => void = () => {}
  const drips = createServer((socket) => {
    socket.on('error', () => {})
    socket.write('220 hello\r\n')
    socket.once('data', () => {
      timers.push(setInterval(() => socket.write('250-wait\r\n'), 20))
      met()
    })
  })
  drips.listen(0, '127.0.0.1')
  await once(drips, 'listening')
  const { port } = drips.address() as AddressInfo
  try {
    const options = {
      to: ['a@example.com'],
      from: 'b@example.com',
      smtp: { host: '127.0.0.1', port, encryption: 'none', user: undefined, ca: undefined } as const,
      password: undefined,
    }
    await expect(sendMail(message, { ...options, timeout: 100 }, never)).rejects.toThrow(
      /longer than 0\.6 s$/,
    )
    const stop = new AbortController()
    met = () => {
      stop.abort(new Error('stopped'))
    }
    await expect(sendMail(message, { ...options, timeout: 60_000 }, stop.signal)).rejects.toThrow('stopped')
  } finally {
    for (const timer of timers) clearInterval(timer)
    drips.close()
  }
})

test('a report comes as text and as a page', async () => {
  await using server = await mailServer({})
  await send(server.port, {}, PASSWORD, 10_000, { ...message, html: '<!doctype html><p>page</p>' })
  const { raw } = server.mails[0]!
  expect(raw).toMatch(/Content-Type: multipart\/alternative/)
  expect(raw).toMatch(/Content-Type: text\/html[^]*<!doctype html><p>page<\/p>/)
})
