import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../lab/ports.ts'
import { generateKey } from '../lab/sshd.ts'
import { expectClearFailure, expectGoodPull, vaultState, vaultTree } from '../lab/unharmed.ts'
import { startWorld, type World } from '../lab/world.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

const SECRET = 'wrong-hunter2-horse'

let world: World
let before: Awaited<ReturnType<typeof vaultState>>
let goodSsh: Record<string, unknown>
beforeAll(async () => {
  world = await startWorld()
  const host = world.config.hosts['prod']!
  host.sources = { logs: { kind: 'files', path: 'logs' } }
  goodSsh = { ...host.ssh }
  await world.writeConfig()
  await expectGoodPull(world)
  before = await vaultState(world)
  await generateKey(join(world.home, 'other'), 'ed25519')
  await generateKey(join(world.home, 'locked'), 'ed25519', { passphrase: 'of-the-key' })
  await writeFile(join(world.home, 'wrong-passphrase'), `${SECRET}\n`, { mode: 0o600 })
  const [type, key] = (await readFile(join(world.home, 'other.pub'), 'utf8')).split(' ')
  await writeFile(join(world.home, 'nobody'), '')
  await writeFile(join(world.home, 'changed'), `[127.0.0.1]:${world.sshd.port} ${type} ${key}\n`)
})
afterAll(() => world[Symbol.asyncDispose]())

/** Pulls with the SSH settings changed; `null` takes a key out. */
async function pullWith(ssh: Record<string, unknown>, ...args: string[]) {
  const settings = Object.entries({ ...goodSsh, ...ssh }).filter(([, value]) => value !== null)
  world.config.hosts['prod']!.ssh = Object.fromEntries(settings)
  await world.writeConfig()
  const result = await world.cli('pull', 'prod', ...args)
  world.config.hosts['prod']!.ssh = goodSsh
  await world.writeConfig()
  expect(vaultTree(world)).toEqual(before.tree)
  return result
}

describe('an address', () => {
  test('that drops every packet', async () => {
    await using hole = await blackHole()
    const result = await pullWith({ port: hole.port, connectTimeout: '1s' })
    expectClearFailure(result, { code: 1, says: /did not answer within 1s/, next: /firewall/ })
  })

  test('that takes the connection and stays silent', async () => {
    const sockets: Socket[] = []
    const server = createServer((socket) => sockets.push(socket.on('error', () => {})))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const result = await pullWith({ port, connectTimeout: '1s' })
    expectClearFailure(result, { code: 1, says: /did not answer within 1s/, next: /server is up/ })
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  test('where nothing listens, also as JSON', async () => {
    const port = await freePort()
    const expected = { code: 1, says: /Nothing listens at 127\.0\.0\.1/, next: /Check the port/ }
    expectClearFailure(await pullWith({ port }), expected)
    const result = await pullWith({ port }, '--json')
    const { hosts } = JSON.parse(result.stdout) as { hosts: { outcome: string; error: unknown }[] }
    expect(hosts).toMatchObject([
      {
        outcome: 'failed',
        error: {
          code: 'connection-refused',
          next: 'Check the port, and that sshd runs there. See whether all else is in order with: relay-backup check',
        },
      },
    ])
    for (const line of result.stderr.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('type')
  })

  test('of a name that does not exist', async () => {
    const result = await pullWith({ host: 'relay.invalid' })
    expectClearFailure(result, { code: 1, says: /The name relay\.invalid has no address/, next: /spelling/ })
  })
})

describe('a login', () => {
  test('of a user who is not there', async () => {
    const result = await pullWith({ user: 'nobody-here' })
    expectClearFailure(result, { code: 1, says: /does not let nobody-here in/, next: /Check the user name/ })
  })

  test('with a key that is not authorized', async () => {
    const result = await pullWith({ identityFile: 'other' })
    expectClearFailure(result, {
      code: 1,
      says: /does not let root in \(tried: key .*other;/,
      next: /authorized_keys/,
    })
  })

  test('with a key file that is not there', async () => {
    const result = await pullWith({ identityFile: 'missing' })
    expectClearFailure(result, { code: 1, says: /there is no .*missing/, next: /ssh\.identityFile/ })
  })

  test('with an encrypted key and no passphrase', async () => {
    const result = await pullWith({ identityFile: 'locked' })
    expectClearFailure(result, {
      code: 1,
      says: /locked is encrypted and no passphrase/,
      next: /ssh\.identityPassphrase/,
    })
  })

  test('with an encrypted key and the wrong passphrase', async () => {
    const result = await pullWith({
      identityFile: 'locked',
      identityPassphrase: { file: 'wrong-passphrase' },
    })
    const next = /Correct the secret that ssh\.identityPassphrase names/
    expectClearFailure(result, { code: 1, says: /the passphrase does not open/, next, secrets: [SECRET] })
  })

  test('with a password that the server does not take', async () => {
    const result = await pullWith({ identityFile: null, password: { file: 'wrong-passphrase' } })
    const next = /takes no password: set ssh\.identityFile/
    expectClearFailure(result, { code: 1, says: /does not let root in/, next, secrets: [SECRET] })
  })
})

describe("the server's key", () => {
  test('is not known: stops with the fingerprint and the command that trusts it', async () => {
    const result = await pullWith({ knownHosts: 'nobody' })
    expectClearFailure(result, {
      code: 1,
      says: /is not known: ssh-ed25519 SHA256:[\w+/]{43}/,
      next: /Compare the fingerprint .*relay-backup hosts trust prod/,
    })
  })

  test('has changed: is loud, names the line, and trusts nothing by itself', async () => {
    const known = await readFile(join(world.home, 'changed'), 'utf8')
    const result = await pullWith({ knownHosts: 'changed' })
    expectClearFailure(result, {
      code: 1,
      says: /HAS CHANGED.*changed:1\)/,
      next: /Ask the server's administrator/,
    })
    expect(await readFile(join(world.home, 'changed'), 'utf8')).toBe(known)
  })
})

test('after all of it the vault says what it said, and the next pull succeeds', async () => {
  expect(await vaultState(world)).toEqual(before)
  await expectGoodPull(world)
})

/** A port that nobody answers at: its listener is stopped, and the queue of connections before it is full. */
async function blackHole(): Promise<AsyncDisposable & { readonly port: number }> {
  const script =
    'const s = require("net").createServer(); s.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(s.address().port))'
  const listener = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(listener.stdout, 'data')) as [Buffer]
  const port = Number(line.toString())
  listener.kill('SIGSTOP')
  const fillers: Socket[] = []
  for (let full = false; !full;) {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    fillers.push(socket)
    full = !(await Promise.race([
      once(socket, 'connect').then(() => true),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 300)),
    ]))
  }
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of fillers) socket.destroy()
      listener.kill('SIGKILL')
      await once(listener, 'exit')
    },
  }
}
