import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmod, chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Privilege, RemoteHost } from '../../src/remote/contract.ts'
import { connectSsh } from '../../src/remote/ssh.ts'
import { findHelper } from '../../src/services/helper.ts'
import { startDocker, type LabDocker } from '../lab/docker.ts'
import { createUser, descendants, startSshd, type Sshd, type TestUser } from '../lab/sshd.ts'

const LAB = '../test/lab/'
const signal = AbortSignal.timeout(600_000)
const resolveSecret = () => Promise.reject(new Error('no secrets here'))
const stack = new AsyncDisposableStack()
let engine: LabDocker
let sshd: Sshd
let member: TestUser
let outsider: TestUser

beforeAll(async () => {
  engine = stack.use(await startDocker())
  sshd = stack.use(await startSshd({ config: [`SetEnv DOCKER_HOST=${engine.env.DOCKER_HOST}`] }))
  member = stack.use(await createUser({ groups: ['docker'] }))
  outsider = stack.use(await createUser())
}, 120_000)
afterAll(() => stack.disposeAsync(), 60_000)

const connect = (user: TestUser = member): Promise<RemoteHost> =>
  connectSsh({ name: 'lab', ssh: sshd.sshConfig(user.name) }, { resolveSecret, signal })

async function rootOn(host: RemoteHost): Promise<Privilege> {
  const found = await findHelper(host, signal)
  if ('refused' in found) throw new Error(found.refused.message)
  return found.privilege
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(50)
}

const containers = () => engine.docker('ps', '--all', '--quiet')
const noContainers = () => until(async () => (await containers()) === '')

it('is root in the same place: arguments, stdin, stdout, stderr and the exit status are the script’s own', async () => {
  await using host = await connect()
  const privilege = await rootOn(host)
  expect(privilege).toMatchObject({ docker: { name: 'relay-lab:1' } })
  const result = await host.run(
    { script: `${LAB}echo`, args: ['7', "a'b\n", '$(id)', ''], privilege },
    { stdin: Buffer.from([0, 255, 10]), signal },
  )
  expect(result.stdout).toEqual(Buffer.from("<a'b\n><$(id)><>\0\xff\n", 'latin1'))
  expect(result.stderr).toBe('on stderr\n')
  expect(result.status).toBe(7)

  const hidden = join(member.home, 'hidden')
  await mkdir(hidden, { mode: 0o700 })
  await writeFile(join(hidden, 'file'), 'x')
  await chown(hidden, 999, 999)
  const question = { script: 'remote/access', args: ['read', '/', hidden] }
  expect(String((await host.run(question, { signal })).stdout)).toBe('no\n')
  expect(String((await host.run({ ...question, privilege }, { signal })).stdout)).toBe('yes\n')
  await noContainers()
})

it('streams what is large both ways, whoever is slow', async () => {
  await using host = await connect()
  const privilege = await rootOn(host)
  const size = 64 * 1024 * 1024
  const down = await host.spawn({ script: `${LAB}stream`, args: [String(size)], privilege }, { signal })
  down.stdin.end()
  let bytes = 0
  for await (const chunk of down.stdout as AsyncIterable<Buffer>) {
    if (bytes === 0) await sleep(500)
    bytes += chunk.length
  }
  expect(bytes).toBe(size)
  expect((await down.exit).status).toBe(0)

  const content = Buffer.alloc(32 * 1024 * 1024, 'relay')
  const up = await host.run({ script: `${LAB}echo`, args: ['0'], privilege }, { stdin: content, signal })
  expect(createHash('sha256').update(up.stdout).digest('hex')).toBe(
    createHash('sha256').update(content).digest('hex'),
  )
})

it('a script that only streams ends when its client is gone, however it went', async () => {
  const host = await connect()
  const privilege = await rootOn(host)
  const file = join(member.home, 'alive')
  const running = await host.spawn({ script: `${LAB}pid`, args: [file], privilege }, { signal })
  const [pid] = (await once(running.stdout, 'data')) as [Buffer]
  expect(await readFile(`/proc/${String(pid).split('\n')[0]}/comm`, 'utf8')).toBe('sh\n')
  await sshd.killSessions()
  await noContainers()
  const size = (await stat(file)).size
  await sleep(1000)
  expect((await stat(file)).size).toBe(size)
  await host[Symbol.asyncDispose]()
})

it.each(['the connection is cut', 'Docker’s client is killed', 'our own process is killed'])(
  'a leased script undoes what it did when %s',
  async (how) => {
    const file = join(member.home, 'leased')
    await writeFile(file, 'before\n')
    await chmod(file, 0o600)
    await using host = await connect()
    const privilege = await rootOn(host)
    const ssh = JSON.stringify(sshd.sshConfig(member.name))
    const hold = join(import.meta.dirname, '../lab/hold-lease.ts')
    const client = spawn(process.execPath, [hold, ssh, file, JSON.stringify(privilege)])
    await once(client.stdout, 'data')
    expect(await readFile(file, 'utf8')).toBe('by the client\n')
    if (how.startsWith('our')) client.kill('SIGKILL')
    else if (how.startsWith('the')) await sshd.killSessions()
    else for (const pid of await dockerClients()) process.kill(pid, 'SIGKILL')
    await until(async () => (await readFile(file, 'utf8')) === 'before\n')
    await noContainers()
    client.kill('SIGKILL')
  },
)

async function dockerClients(): Promise<number[]> {
  const all = await descendants(await sshd.sessions())
  const names = await Promise.all(all.map((pid) => readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')))
  return all.filter((_pid, at) => names[at] === 'docker\n')
}

it('who may not use Docker hears why and what to do', async () => {
  await using host = await connect(outsider)
  expect(await findHelper(host, signal)).toMatchObject({
    refused: {
      message: expect.stringContaining('may not use Docker') as unknown,
      next: expect.stringContaining('usermod -aG docker') as unknown,
    },
  })
})

it('a container that another run has just made is left alone', async () => {
  const old = await engine.docker('create', '--label', 'relay-backup.helper=1', 'relay-lab:1', 'true')
  const other = await engine.docker('create', 'relay-lab:1', 'true')
  await using host = await connect()
  await rootOn(host)
  const left = await engine.docker('ps', '--all', '--quiet', '--no-trunc')
  // It is not ten minutes old: another run may be about to start it.
  expect(left.split('\n').sort()).toEqual([old, other].sort())
  await engine.docker('rm', old, other)
})

it('an engine without an image, and one that is down, give no root', async () => {
  await engine.docker('rmi', '--force', 'relay-lab:1')
  await using host = await connect()
  expect(await findHelper(host, signal)).toMatchObject({
    refused: {
      message: expect.stringContaining('has no image') as unknown,
      next: expect.stringContaining('docker pull') as unknown,
    },
  })
  await engine.stop()
  await using another = await connect()
  expect(await findHelper(another, signal)).toMatchObject({
    refused: { message: expect.stringContaining('does not answer') as unknown },
  })
})
