import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConnectionError, LockedError, RemoteError } from '../../src/errors.ts'
import type { RemoteHost } from '../../src/remote/contract.ts'
import { lockDeployment } from '../../src/remote/deployment-lock.ts'
import { startEmbeddedServer } from '../../src/remote/embedded-server.ts'
import { openLease } from '../../src/remote/lease.ts'
import { probeHost } from '../../src/remote/probe.ts'
import { connectSsh } from '../../src/remote/ssh.ts'
import { generateSshKeyPair } from '../../src/remote/ssh-key-pair.ts'
import { busyboxTools } from '../lab/busybox.ts'
import { createUser, startSshd } from '../lab/sshd.ts'
import type { Sshd } from '../lab/sshd.ts'
import { tempDir } from '../lab/temp.ts'
import type { TempDir } from '../lab/temp.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

const LAB = '../test/lab/'
const resolveSecret = () => Promise.reject(new Error('no secrets here'))
const signal = AbortSignal.timeout(600_000)

const connect = (sshd: Sshd, user?: string) =>
  connectSsh({ name: 'lab', ssh: sshd.sshConfig(user) }, { resolveSecret, signal })

/** Waits until it is so. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(20)
}

/** The same machine behind OpenSSH, behind OpenSSH with nothing but busybox, and behind the embedded server. */
const SERVERS = ['OpenSSH', 'busybox', 'embedded'] as const

async function open(kind: (typeof SERVERS)[number]): Promise<{ host: RemoteHost } & AsyncDisposable> {
  const stack = new AsyncDisposableStack()
  if (kind === 'embedded') {
    const temp = stack.use(await tempDir())
    const keys = generateSshKeyPair()
    const server = stack.use(await startEmbeddedServer({ home: temp.path, authorizedKey: keys.publicKey }))
    const identityFile = join(temp.path, 'id')
    const knownHosts = join(temp.path, 'known_hosts')
    await writeFile(identityFile, keys.privateKey, { mode: 0o600 })
    await writeFile(knownHosts, `[127.0.0.1]:${server.port} ${server.hostPublicKey}\n`)
    const ssh = {
      host: '127.0.0.1',
      port: server.port,
      user: 'demo',
      identityFile,
      agent: false,
      knownHosts,
      keepAlive: 5000,
      connectTimeout: 10_000,
    }
    const host = stack.use(await connectSsh({ name: 'lab', ssh }, { resolveSecret, signal }))
    return { host, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  }
  const temp = stack.use(await tempDir())
  const sshd = stack.use(
    await startSshd(kind === 'busybox' ? { path: await busyboxTools(join(temp.path, 'bin')) } : {}),
  )
  const host = stack.use(await connect(sshd))
  return { host, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

describe.each(SERVERS)('a host behind %s', (kind) => {
  let opened: Awaited<ReturnType<typeof open>>
  let host: RemoteHost
  beforeAll(async () => {
    opened = await open(kind)
    host = opened.host
  })
  afterAll(() => opened[Symbol.asyncDispose]())

  it('runs a script with its arguments and stdin, and gives back all of its ends', async () => {
    const words = ["it's", '', '$HOME', 'a\nb', '\\n', '!x', 'ü']
    const result = await host.run(
      { script: `${LAB}echo`, args: ['7', ...words] },
      { stdin: Buffer.from([0, 255, 10]), signal },
    )
    expect(result.stdout).toEqual(
      Buffer.concat([Buffer.from(words.map((word) => `<${word}>`).join('')), Buffer.from([0, 255, 10])]),
    )
    expect(result.stderr).toBe('on stderr\n')
    expect(result.status).toBe(7)
  })

  it('tells an end by a signal as a shell does', async () => {
    const { status, stdout } = await host.run({ script: `${LAB}die`, args: ['TERM'] }, { signal })
    expect(status).toBe(143)
    expect(stdout.toString()).toBe('out\n')
  })

  it('keeps the last words of a long stderr', async () => {
    const { stderr } = await host.run({ script: `${LAB}chatter` }, { signal })
    expect(stderr).toContain('line 0 ')
    expect(stderr).toContain('bytes left out')
    expect(stderr.endsWith('status: the end\n')).toBe(true)
    expect(stderr.length).toBeLessThan(70_000)
  })

  it('streams with back-pressure, both ways', async () => {
    const down = await host.spawn({ script: `${LAB}stream`, args: ['50000000'] }, { signal })
    down.stdin.end()
    let bytes = 0
    for await (const chunk of down.stdout) bytes += (chunk as Buffer).length
    expect((await down.exit).status).toBe(0)
    expect(bytes).toBe(50_000_000)

    const up = await host.spawn({ script: `${LAB}echo`, args: ['0'] }, { signal })
    const sent = pipeline(Readable.from(Array.from({ length: 100 }, () => Buffer.alloc(100_000))), up.stdin)
    let back = 0
    for await (const chunk of up.stdout) back += (chunk as Buffer).length
    await sent
    expect((await up.exit).status).toBe(0)
    expect(back).toBe(10_000_000)
  })

  it('fails a write to a script that has ended, instead of waiting for ever', async () => {
    const ended = await host.spawn({ script: `${LAB}die`, args: ['KILL'] }, { signal })
    ended.stdout.resume()
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(65_536)
      })(),
    )
    await expect(pipeline(endless, ended.stdin)).rejects.toMatchObject({ code: 'EPIPE' })
    expect((await ended.exit).status).toBe(137)
  })

  it('has more scripts waiting than the server allows at once', async () => {
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        host.run({ script: `${LAB}echo`, args: ['0', String(index)] }, { signal }),
      ),
    )
    expect(results.map(({ stdout }) => stdout.toString())).toEqual(results.map((_, index) => `<${index}>`))
  })

  it('stops a script when it is told to, and a script that waits for its turn', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const running = await Promise.all(
      Array.from({ length: 8 }, () => host.spawn({ script: `${LAB}hold` }, { signal: controller.signal })),
    )
    const waiting = host.spawn({ script: `${LAB}hold` }, { signal: controller.signal })
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    for (const process of running) await expect(process.exit).rejects.toBe(reason)
    const after = await host.run({ script: `${LAB}echo`, args: ['0', 'free'] }, { signal })
    expect(after.stdout.toString()).toBe('<free>')
  })

  it('reaches a port of the server, and says when it is closed', async () => {
    const server = createServer((socket) => socket.end('hello'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const stream = await host.connectTcp('127.0.0.1', port, signal)
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe('hello')
    await new Promise((resolve) => server.close(resolve))
    await expect(host.connectTcp('127.0.0.1', port, signal)).rejects.toMatchObject({ code: 'tcp-refused' })
  })

  it('is looked at in one round trip', async () => {
    await using temp = await tempDir()
    const name = 'a deployment\nwith \\ and ü'
    await mkdir(join(temp.path, name, '.relay-backup', 'restore-20251120T020000Z'), { recursive: true })
    await writeFile(join(temp.path, name, '.relay-backup', 'restore-20251120T020000Z', 'journal'), '')
    await mkdir(join(temp.path, name, 'logs'))
    await symlink('nowhere', join(temp.path, name, 'dangling'))
    await symlink(join(temp.path, name), join(temp.path, 'link'))
    const probe = await probeHost(
      host,
      { deployment: join(temp.path, 'link'), names: ['logs', 'data', 'dangling'], sudo: false },
      signal,
    )
    expect(probe.deployment).toBe(join(temp.path, name))
    expect([...probe.existing]).toEqual(['logs', 'dangling'])
    expect(probe.openJournals).toEqual(['20251120T020000Z'])
    expect(probe.deploymentWritable).toBe(true)
    expect(probe.uid).toBe(0)
    expect(probe.groups).toContain('root')
    expect(probe.cpus).toBeGreaterThan(0)
    expect(probe.freeBytes).toBeGreaterThan(0)
    expect(probe.kernel).toContain('Linux')
    expect(probe.tar).toBe(kind === 'busybox' ? 'busybox' : 'gnu')
    expect(probe.findPrintf).toBe(kind !== 'busybox')
    expect(probe.versions.tar).toMatch(/^\d+\.\d+/)
    expect(probe.versions.zstd === undefined).toBe(kind === 'busybox')
  })

  it('is looked at when there is no deployment', async () => {
    const probe = await probeHost(
      host,
      { deployment: '~/no/such/place', names: ['logs'], sudo: false },
      signal,
    )
    expect(probe.deployment).toBeUndefined()
    expect(probe.existing.size).toBe(0)
    expect(probe.home).toMatch(/^\//)
  })

  describe('the lock of a deployment', () => {
    it('keeps others out, says who holds it, and leaves nothing behind', async () => {
      await using temp = await tempDir()
      {
        await using _lock = await lockDeployment(host, temp.path, { sudo: false, signal }, 'me@here (pid 1)')
        const other = await lockDeployment(host, temp.path, { sudo: false, signal }).catch(
          (error: unknown) => error,
        )
        expect(other).toBeInstanceOf(LockedError)
        expect((other as LockedError).message).toMatch(/locked by me@here \(pid 1\) since 20\d\d-/)
      }
      expect(await readdir(temp.path)).toEqual([])
      await using _again = await lockDeployment(host, temp.path, { sudo: false, signal })
    })

    it('lets exactly one of many have it', async () => {
      await using temp = await tempDir()
      const attempts = await Promise.allSettled(
        Array.from({ length: 6 }, () => lockDeployment(host, temp.path, { sudo: false, signal })),
      )
      const won = attempts.filter((attempt) => attempt.status === 'fulfilled')
      expect(won).toHaveLength(1)
      for (const attempt of attempts) {
        if (attempt.status === 'rejected') expect(attempt.reason).toBeInstanceOf(LockedError)
      }
      for (const { value } of won) await value[Symbol.asyncDispose]()
      expect(await readdir(temp.path)).toEqual([])
    })

    it('takes over from a run that is dead, and not from one that lives', async () => {
      await using temp = await tempDir()
      const parent = join(temp.path, '.relay-backup')
      await mkdir(parent, { mode: 0o700 })
      const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
      const start = (await readFile('/proc/self/stat', 'utf8')).split(') ')[1]?.split(' ')[19] ?? ''
      await symlink(`${process.pid}.${start}.${boot}`, join(parent, 'lock'))
      await writeFile(join(parent, 'lock-note'), '1763604000 somebody@laptop\n')
      await expect(lockDeployment(host, temp.path, { sudo: false, signal })).rejects.toThrow(
        /somebody@laptop since 2025-11-20T02:00/,
      )
      for (const dead of [`${process.pid}.1.${boot}`, `${process.pid}.${start}.another-boot`]) {
        await mkdir(parent, { recursive: true, mode: 0o700 })
        await rm(join(parent, 'lock'), { force: true })
        await symlink(dead, join(parent, 'lock'))
        {
          await using _lock = await lockDeployment(host, temp.path, { sudo: false, signal })
        }
        expect(await readdir(temp.path)).toEqual([])
      }
    })

    it('says so when there is nothing to lock', async () => {
      await expect(lockDeployment(host, '/no/such/place', { sudo: false, signal })).rejects.toMatchObject({
        code: 'lock-failed',
      })
    })
  })
})

describe('the lock where the deployment is read-only for us', () => {
  it('lies in the home', async () => {
    await using user = await createUser()
    await using sshd = await startSshd()
    await using host = await connect(sshd, user.name)
    {
      await using _lock = await lockDeployment(host, '/usr/share', { sudo: false, signal })
      const [name = ''] = await readdir(join(user.home, '.relay-backup'))
      expect(name).toMatch(/^lock-\d+$/)
      await expect(lockDeployment(host, '/usr/share/.', { sudo: false, signal })).rejects.toBeInstanceOf(
        LockedError,
      )
    }
    await expect(readdir(join(user.home, '.relay-backup'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

it('a killed process whose output nobody reads any more still ends', async () => {
  await using sshd = await startSshd()
  await using host = await connect(sshd)
  const running = await host.spawn({ script: `${LAB}stream`, args: ['50000000'] }, { signal })
  await once(running.stdout, 'data')
  running.kill()
  // As a pipe does whose disk is full: it gives up after the kill.
  running.stdout.pause()
  const ended = running.exit.then(
    () => true,
    () => true,
  )
  await expect(Promise.race([ended, sleep(20_000)])).resolves.toBe(true)
})

describe('a connection that is cut', () => {
  it('while a script streams: a clean end of output is no success', async () => {
    await using sshd = await startSshd()
    await using host = await connect(sshd)
    const running = await host.spawn({ script: `${LAB}hold`, title: 'holding still' }, { signal })
    await once(running.stdout, 'data')
    await sshd.killSessions()
    const error = await running.exit.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ConnectionError)
    expect(error).toMatchObject({ problem: 'lost', details: { host: 'lab' } })
    expect((error as ConnectionError).message).toContain('holding still')
    await expect(host.run({ script: `${LAB}echo`, args: ['0'] }, { signal })).rejects.toMatchObject({
      problem: 'lost',
    })
  })

  it('is lost also when all output is there but not its end', async () => {
    await using sshd = await startSshd()
    await using host = await connect(sshd)
    const running = await host.spawn({ script: `${LAB}hold` }, { signal })
    await once(running.stdout, 'data')
    // Nobody reads on: the end of output never comes.
    running.stdout.pause()
    await sshd.killSessions()
    await expect(running.exit).rejects.toMatchObject({ problem: 'lost' })
  })

  it('lets a lease say that it was lost, and the script undo', async () => {
    await using temp = await tempDir()
    const file = await settings(temp)
    await using sshd = await startSshd()
    await using host = await connect(sshd)
    await using lease = await host.lease(
      { script: `${LAB}leased`, args: [file] },
      { firstLines: ['changed by us'], signal },
    )
    expect(await lease.nextLine(signal)).toBe('changed')
    expect(await readFile(file, 'utf8')).toBe('changed by us\n')
    await sshd.killSessions()
    await expect(lease.nextLine(signal)).rejects.toMatchObject({ problem: 'lost' })
    await until(async () => (await readFile(file, 'utf8')) === 'as it was\n')
  })
})

describe('a lease', () => {
  let sshd: Sshd
  beforeAll(async () => {
    sshd = await startSshd()
  })
  afterAll(() => sshd[Symbol.asyncDispose]())

  it('speaks with its script and undoes at the release', async () => {
    await using temp = await tempDir()
    const file = await settings(temp)
    await using host = await connect(sshd)
    const lease = await host.lease(
      { script: `${LAB}leased`, args: [file] },
      { firstLines: ['changed by us'], signal },
    )
    expect(await lease.nextLine(signal)).toBe('changed')
    lease.send('hello')
    expect(await lease.nextLine(signal)).toBe('heard hello')
    const [first, second] = await Promise.all([lease.release(), lease.release()])
    expect(first).toEqual({ status: 0, stderr: '' })
    expect(second).toBe(first)
    expect(await lease.nextLine(signal)).toBe('undone')
    expect(await lease.nextLine(signal)).toBeUndefined()
    expect(await readFile(file, 'utf8')).toBe('as it was\n')
  })

  it('is still released in order when its signal was aborted', async () => {
    await using temp = await tempDir()
    const file = await settings(temp)
    await using host = await connect(sshd)
    const controller = new AbortController()
    {
      await using lease = await host.lease(
        { script: `${LAB}leased`, args: [file] },
        { firstLines: ['changed by us'], signal: controller.signal },
      )
      expect(await lease.nextLine(controller.signal)).toBe('changed')
      const next = lease.nextLine(controller.signal)
      controller.abort(new Error('Ctrl-C'))
      await expect(next).rejects.toThrow('Ctrl-C')
    }
    expect(await readFile(file, 'utf8')).toBe('as it was\n')
  })

  it('refuses lines that are none', async () => {
    await using temp = await tempDir()
    await using host = await connect(sshd)
    await using lease = await host.lease(
      { script: `${LAB}leased`, args: [await settings(temp)] },
      { firstLines: ['x'], signal },
    )
    expect(() => lease.send('a\nb')).toThrow(RangeError)
    expect(() => lease.send('x'.repeat(4001))).toThrow(RangeError)
  })

  it.each(['idle', 'busy'])('is undone by the script when it hears no beat while %s', async (state) => {
    await using temp = await tempDir()
    const file = await settings(temp)
    await using host = await connect(sshd)
    const running = await host.spawn({ script: `${LAB}leased`, args: ['3', file] }, { signal })
    // A client that stands still: connected, and silent from the first beat on.
    await using lease = openLease(running, ['changed by us', state], { beatEvery: 3_600_000 })
    expect(await lease.nextLine(signal)).toBe('changed')
    await until(async () => (await readFile(file, 'utf8')) === 'as it was\n')
    expect((await running.exit).status).toBe(91)
  })

  it('is undone by the script when the client is killed', async () => {
    await using temp = await tempDir()
    const file = await settings(temp)
    const client = spawn(
      process.execPath,
      [join(import.meta.dirname, '../lab/hold-lease.ts'), JSON.stringify(sshd.sshConfig()), file],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    await once(client.stdout, 'data')
    expect(await readFile(file, 'utf8')).toBe('by the client\n')
    client.kill('SIGKILL')
    await until(async () => (await readFile(file, 'utf8')) === 'as it was\n')
  })
})

it("takes no word of a noisy login shell for the script's own", async () => {
  await using user = await createUser({ shell: '/bin/bash' })
  await writeFile(join(user.home, '.bashrc'), 'echo "find: ./x: No such file or directory" >&2\n')
  await using sshd = await startSshd({ bashrc: true })
  await using host = await connect(sshd, user.name)
  const result = await host.run({ script: `${LAB}echo`, args: ['0', 'x'] }, { signal })
  expect(result).toMatchObject({ status: 0, stderr: 'on stderr\n' })
})

it('skips what a noisy login shell prints before the script', async () => {
  await using user = await createUser({ shell: '/bin/bash' })
  const noise = "printf 'Welcome to %s!\\n\\033[1mhave fun\\0no line break' app; echo noise >&2\n"
  await writeFile(join(user.home, '.bashrc'), noise)
  await using sshd = await startSshd({ bashrc: true })
  await using host = await connect(sshd, user.name)
  const said = await host.run({ script: `${LAB}echo`, args: ['0', 'x'] }, { stdin: Buffer.from('y'), signal })
  expect(said).toMatchObject({ status: 0, stderr: 'on stderr\n' })
  expect(said.stdout.toString()).toBe('<x>y')
  const empty = await host.run({ script: `${LAB}stream`, args: ['0'] }, { signal })
  expect(empty.stdout).toHaveLength(0)
  const stream = await host.spawn({ script: `${LAB}stream`, args: ['5000000'] }, { signal })
  let bytes = 0
  for await (const chunk of stream.stdout) {
    expect((chunk as Buffer).every((byte) => byte === 0)).toBe(true)
    bytes += (chunk as Buffer).length
  }
  expect(bytes).toBe(5_000_000)
  expect(await probeHost(host, { deployment: '~', names: [], sudo: false }, signal)).toMatchObject({
    access: 'shell',
    deployment: user.home,
  })
  await using _lock = await lockDeployment(host, user.home, { sudo: false, signal }, 'me')
})

it('says so when a login shell prints without end', async () => {
  await using user = await createUser({ shell: '/bin/bash' })
  await writeFile(join(user.home, '.bashrc'), 'head -c 1000000 /dev/zero | tr "\\0" x; exit 3\n')
  await using sshd = await startSshd({ bashrc: true })
  await using host = await connect(sshd, user.name)
  const error = await probeHost(host, { deployment: '/', names: [], sudo: false }, signal).catch(
    (thrown: unknown) => thrown,
  )
  expect(error).toMatchObject({ code: 'probe-failed', details: { stderr: 'x'.repeat(500) } })
})

it('finds out that the server allows fewer sessions', async () => {
  await using sshd = await startSshd({ maxSessions: 2 })
  await using host = await connect(sshd)
  const results = await Promise.all(
    Array.from({ length: 10 }, () => host.run({ script: `${LAB}echo`, args: ['0', 'x'] }, { signal })),
  )
  expect(results.every(({ stdout }) => stdout.toString() === '<x>')).toBe(true)
})

it('says so when the server allows no session at all', async () => {
  await using sshd = await startSshd({ maxSessions: 0 })
  await using host = await connect(sshd)
  await expect(host.run({ script: `${LAB}echo`, args: ['0'] }, { signal })).rejects.toMatchObject({
    code: 'session-refused',
  })
})

it('does not take a port that it may not reach for a closed one', async () => {
  await using sshd = await startSshd({ config: ['AllowTcpForwarding no'] })
  await using host = await connect(sshd)
  await expect(host.connectTcp('127.0.0.1', sshd.port, signal)).rejects.toMatchObject({ code: 'tcp-failed' })
  await expect(host.connectTcp('127.0.0.1', 1, signal)).rejects.toMatchObject({ code: 'tcp-failed' })
})

it('says so when another command is forced', async () => {
  await using sshd = await startSshd({ forceCommand: '/bin/echo not for you' })
  await using host = await connect(sshd)
  const error = await probeHost(host, { deployment: '/', names: [], sudo: false }, signal).catch(
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(RemoteError)
  expect(error).toMatchObject({ code: 'probe-failed', details: { stderr: 'not for you\n' } })
})

it.each(['/bin/bash', '/bin/dash'])('works with the login shell %s', async (shell) => {
  await using user = await createUser({ shell })
  await using sshd = await startSshd()
  await using host = await connect(sshd, user.name)
  const { stdout } = await host.run({ script: `${LAB}echo`, args: ['0', "it's \\ !"] }, { signal })
  expect(stdout.toString()).toBe("<it's \\ !>")
  expect((await probeHost(host, { deployment: '~', names: [], sudo: false }, signal)).deployment).toBe(
    user.home,
  )
})

it('ends its children with the embedded server', async () => {
  await using temp = await tempDir()
  const keys = generateSshKeyPair()
  const server = await startEmbeddedServer({ home: temp.path, authorizedKey: keys.publicKey })
  const identityFile = join(temp.path, 'id')
  const knownHosts = join(temp.path, 'known_hosts')
  await writeFile(identityFile, keys.privateKey, { mode: 0o600 })
  await writeFile(knownHosts, `[127.0.0.1]:${server.port} ${server.hostPublicKey}\n`)
  const ssh = { ...BASE, port: server.port, identityFile, knownHosts }
  await using host = await connectSsh({ name: 'lab', ssh }, { resolveSecret, signal })
  const running = await host.spawn({ script: `${LAB}hold` }, { signal })
  const [chunk] = (await once(running.stdout, 'data')) as [Buffer]
  await server[Symbol.asyncDispose]()
  expect(() => process.kill(Number(chunk.toString()), 0)).toThrow()
  await running.exit.catch(() => {})

  await using other = await startEmbeddedServer({
    home: temp.path,
    authorizedKey: generateSshKeyPair().publicKey,
  })
  await writeFile(knownHosts, `[127.0.0.1]:${other.port} ${other.hostPublicKey}\n`)
  await expect(
    connectSsh({ name: 'lab', ssh: { ...ssh, port: other.port } }, { resolveSecret, signal }),
  ).rejects.toMatchObject({ problem: 'auth' })
})

const BASE = { host: '127.0.0.1', user: 'demo', agent: false, keepAlive: 5000, connectTimeout: 10_000 }

async function settings(temp: TempDir): Promise<string> {
  const file = join(temp.path, 'settings')
  await writeFile(file, 'as it was\n')
  return file
}
