import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ChannelConfig, Destination } from '../../src/model/notify-config.ts'
import { Secret, type SecretReference } from '../../src/model/secret.ts'
import { deliver, type Patience } from '../../src/notify/deliver.ts'
import type { Message } from '../../src/notify/message.ts'
import { tempDir } from '../lab/temp.ts'

const TOKEN = 's3cr3t-token'
const now = () => new Date('2026-03-03T12:00:00Z')
const message: Message = {
  subject: '[relay-backup] prod: failure',
  text: 'prod: failure\n  no route',
  alerts: [{ event: 'failure', host: 'prod', code: 'failing', message: 'no route' }],
  at: now().toISOString(),
  machine: 'desk',
}

interface Got {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly body: string
}

/** A server on loopback that answers its nth request so. */
async function server(...answers: ((response: ServerResponse, request: IncomingMessage) => void)[]) {
  const got: Got[] = []
  const http = createServer((request, response) => {
    void text(request).then((body) => {
      const answer = answers[got.length] ?? answers.at(-1)
      got.push({ method: request.method, url: request.url, body })
      answer?.(response, request)
    })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return {
    got,
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/hook/${TOKEN}`,
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections()
      http.close()
      await once(http, 'close')
    },
  }
}

const says =
  (status: number, body = '') =>
  (response: ServerResponse) =>
    void response.writeHead(status).end(body)
const reference: SecretReference = { env: 'URL' }
const channel = (to: Destination): ChannelConfig => ({ name: to.kind, on: ['failure'], to })
const slack = channel({ kind: 'slack', url: reference })

function delivered(
  to: ChannelConfig,
  secret: string,
  patience: Partial<Patience> = {},
  signal = new AbortController().signal,
) {
  const resolveSecret = () => Promise.resolve(new Secret(secret))
  const dependencies = { resolveSecret, now, patience: { timeout: 5000, retries: 2, pause: 1, ...patience } }
  return deliver(to, { message }, dependencies, signal)
}

test('what fails for a moment is tried again, what is refused is not', async () => {
  await using busy = await server(says(503), says(429), says(200, 'ok'))
  expect(await delivered(slack, busy.url)).toBeUndefined()
  expect(busy.got).toHaveLength(3)
  expect(busy.got[2]).toMatchObject({ method: 'POST', url: `/hook/${TOKEN}` })

  await using gone = await server(says(404, 'no_service'))
  expect(await delivered(slack, gone.url)).toMatchObject({
    code: 'not-delivered',
    message: expect.stringMatching(/^127\.0\.0\.1:\d+ answered 404: no_service$/) as string,
  })
  expect(gone.got).toHaveLength(1)

  await using down = await server(says(500))
  expect((await delivered(slack, down.url))?.message).toMatch(/answered 500$/)
  expect(down.got).toHaveLength(3)
})

test('no error has the address, which is a secret', async () => {
  await using moved = await server((response) =>
    response.writeHead(307, { location: 'https://evil.example/collect' }).end(),
  )
  await using closed = await server(says(200))
  const gone = closed.url
  await closed[Symbol.asyncDispose]()
  const errors = [
    await delivered(slack, moved.url),
    await delivered(slack, gone),
    await delivered(slack, `not an address ${TOKEN}`),
  ]
  expect(errors.map((error) => error?.message)).toEqual([
    expect.stringMatching(/sends on to another address, which is not followed$/),
    expect.stringMatching(/can't be reached: ECONNREFUSED$/),
    'what the secret holds is not an address',
  ])
  expect(moved.got).toHaveLength(1)
  for (const error of errors) {
    expect(`${error?.message} ${error?.stack} ${JSON.stringify(error)}`).not.toContain(TOKEN)
  }
})

test('a server that says back what it was asked for gives no secret away', async () => {
  await using echo = await server((response, { url, headers }) => {
    response.writeHead(404).end(`Cannot POST ${url} as ${headers.authorization}`)
  })
  expect((await delivered(slack, echo.url))?.message).toMatch(/answered 404: Cannot POST … as undefined$/)
  const ntfy = channel({ kind: 'ntfy', url: `${echo.url}`, token: reference })
  const error = await delivered(ntfy, 'tk_header')
  expect(error?.message).toMatch(/answered 404: Cannot POST … as … …$/)
  await using robot = await server((response, { url }) => {
    response.end(JSON.stringify({ errcode: 1, errmsg: `bad ${decodeURIComponent(url ?? '')}` }))
  })
  const wecom = channel({ kind: 'wecom', url: reference })
  const refused = await delivered(wecom, `${robot.url}?key=a%20k%2Fey-123`)
  expect(refused?.message).toMatch(/refused it: bad /)
  expect(refused?.message).not.toMatch(/k\/ey|s3cr3t/)
})

test('a server that does not answer is left after a while', async () => {
  await using silent = await server(() => {})
  const error = await delivered(slack, silent.url, { timeout: 50, retries: 0 })
  expect(error?.message).toMatch(/did not answer within 0\.05 s$/)
})

test('of an endless answer the beginning is read', async () => {
  await using endless = await server((response) => {
    response.writeHead(400)
    const more = () => {
      while (response.write(Buffer.alloc(65_536, 'x')));
    }
    response.on('drain', more)
    more()
  })
  expect((await delivered(slack, endless.url))?.message).toMatch(/answered 400: x{200}…$/)
})

test('a person who stops it is not kept', async () => {
  await using silent = await server(() => {})
  const stop = new AbortController()
  const delivering = delivered(slack, silent.url, {}, stop.signal)
  stop.abort(new Error('stopped'))
  await expect(delivering).rejects.toThrow('stopped')
})

test('services that answer 200 to what they refuse', async () => {
  await using ding = await server(says(200, '{"errcode":310000,"errmsg":"keywords not in content"}'))
  const robot = channel({ kind: 'dingtalk', url: reference })
  expect((await delivered(robot, ding.url))?.message).toMatch(/refused it: keywords not in content$/)
})

test('a ping is for those who are pinged alone', async () => {
  await using pinged = await server(says(200))
  const resolveSecret = () => Promise.resolve(new Secret(pinged.url))
  const dependencies = { resolveSecret, now, patience: { timeout: 5000, retries: 0, pause: 1 } }
  const ping = { moment: 'end', id: 'u', exitCode: 3, text: 'failed', milliseconds: 5 } as const
  const never = new AbortController().signal
  const channels = [slack, channel({ kind: 'healthchecks', url: reference })]
  for (const one of channels) expect(await deliver(one, { ping }, dependencies, never)).toBeUndefined()
  expect(pinged.got.map(({ url }) => url)).toEqual([`/hook/${TOKEN}/3?rid=u`])
  expect(await deliver(channels[1] ?? slack, { message }, dependencies, never)).toBeUndefined()
  expect(pinged.got).toHaveLength(1)
})

test('a command gets the text on stdin, and all that it started is ended with it', async () => {
  await using temp = await tempDir('relay-notify-')
  const file = join(temp.path, 'got')
  expect(await delivered(channel({ kind: 'command', line: `cat >'${file}'` }), '')).toBeUndefined()
  expect(await readFile(file, 'utf8')).toBe(`${message.subject}\n\n${message.text}\n`)

  const failing = channel({ kind: 'command', line: 'echo no such user >&2; exit 7' })
  expect((await delivered(failing, '', { retries: 0 }))?.message).toBe(
    'the command failed (exit status 7): no such user',
  )
  const late = channel({ kind: 'command', line: 'sleep 1000' })
  expect((await delivered(late, '', { timeout: 50, retries: 0 }))?.message).toMatch(
    /took longer than 0\.05 s$/,
  )

  const file2 = join(temp.path, 'pid')
  const stop = new AbortController()
  const hanging = channel({ kind: 'command', line: `sleep 1000 & echo $! >'${file2}'; wait` })
  const delivering = delivered(hanging, '', { timeout: 600_000 }, stop.signal)
  const child = () =>
    readFile(file2, 'utf8').then(
      (written) => written.trim(),
      () => '',
    )
  await expect.poll(child).not.toBe('')
  const pid = await child()
  stop.abort(new Error('stopped'))
  await expect(delivering).rejects.toThrow('stopped')
  // A zombie that nobody has reaped yet has no program.
  await expect.poll(() => readlink(`/proc/${pid}/exe`).catch(() => 'ended')).toBe('ended')
})
