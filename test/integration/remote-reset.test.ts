import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { connectSsh } from '../../src/remote/ssh.ts'
import { startOddServer } from '../lab/odd-server.ts'
import { tempDir } from '../lab/temp.ts'

const signal = new AbortController().signal
const resolveSecret = () => Promise.reject(new Error('no secret is needed'))
const pauses = [1, 1, 1]

/** A server that drops this many connections before their login, as sshd does at MaxStartups. */
async function dropping(times: number) {
  const stack = new AsyncDisposableStack()
  const server = stack.use(await startOddServer(() => {}))
  const temp = stack.use(await tempDir())
  let attempts = 0
  const door = createServer((socket) => {
    attempts += 1
    socket.on('error', () => {})
    if (attempts <= times) {
      socket.resetAndDestroy()
      return
    }
    const inner = connect(server.ssh.port ?? 0, '127.0.0.1')
    inner.on('error', () => socket.destroy())
    socket.pipe(inner).pipe(socket)
  })
  stack.defer(async () => {
    door.close()
    await once(door, 'close')
  })
  door.listen(0, '127.0.0.1')
  await once(door, 'listening')
  const { port } = door.address() as { port: number }
  const known = await readFile(server.ssh.knownHosts ?? '', 'utf8')
  const knownHosts = join(temp.path, 'known_hosts')
  await writeFile(knownHosts, known.replace(`:${server.ssh.port} `, `:${port} `))
  return {
    ssh: { ...server.ssh, port, knownHosts },
    attempts: () => attempts,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

it('a connection that was reset before the login failed the pull; it is tried again', async () => {
  await using door = await dropping(3)
  await using _host = await connectSsh({ name: 'busy', ssh: door.ssh }, { resolveSecret, signal, pauses })
  expect(door.attempts()).toBe(4)
})

it('a server that always hangs up is given up', async () => {
  await using door = await dropping(Infinity)
  const connecting = connectSsh({ name: 'busy', ssh: door.ssh }, { resolveSecret, signal, pauses })
  await expect(connecting).rejects.toMatchObject({ details: { host: 'busy' } })
  expect(door.attempts()).toBe(4)
})

it('an abort ends the pause', async () => {
  await using door = await dropping(Infinity)
  const controller = new AbortController()
  const connecting = connectSsh(
    { name: 'busy', ssh: door.ssh },
    { resolveSecret, signal: controller.signal, pauses: [600_000] },
  )
  while (door.attempts() === 0) await new Promise((resolve) => setImmediate(resolve))
  const reason = new Error('enough')
  setTimeout(() => controller.abort(reason), 50)
  await expect(connecting).rejects.toBe(reason)
})
