import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectSsh } from '../../src/remote/ssh.ts'
import { generateKey, startSshd } from '../lab/sshd.ts'
import type { HostKeyType, Sshd } from '../lab/sshd.ts'
import { tempDir } from '../lab/temp.ts'
import type { TempDir } from '../lab/temp.ts'

const run = promisify(execFile)
const signal = () => AbortSignal.timeout(60_000)
const resolveSecret = () => Promise.reject(new Error('no secret was named'))

let temp: TempDir
let sshd: Sshd
let authority: string
beforeAll(async () => {
  temp = await tempDir()
  authority = join(temp.path, 'authority')
  await generateKey(authority, 'ed25519')
  sshd = await startSshd({ config: [`TrustedUserCAKeys ${authority}.pub`] })
})
afterAll(async () => {
  await sshd[Symbol.asyncDispose]()
  await temp[Symbol.asyncDispose]()
})

/** Signs a key for a user; the certificate lies beside it, where OpenSSH and this program look for it. */
const certifyKey = (file: string, principal: string, more: readonly string[] = []) =>
  run('ssh-keygen', ['-q', '-s', authority, '-I', 'lab', '-n', principal, ...more, `${file}.pub`])

async function getsIn(identityFile: string): Promise<boolean> {
  const ssh = { ...sshd.sshConfig(), identityFile }
  try {
    await using host = await connectSsh({ name: 'lab', ssh }, { resolveSecret, signal: signal(), env: {} })
    const { status } = await host.run({ script: 'remote/probe', args: ['/'] }, { signal: signal() })
    return status === 0
  } catch (error) {
    expect(error).toMatchObject({ problem: 'auth' })
    return false
  }
}

const openSsh = (identityFile: string) =>
  run('ssh', [
    ...['-F', 'none', '-i', identityFile, '-p', String(sshd.port), '-o', 'BatchMode=yes'],
    ...['-o', `UserKnownHostsFile=${sshd.knownHosts}`, '-o', 'IdentitiesOnly=yes', 'root@127.0.0.1', 'true'],
  ]).then(
    () => true,
    () => false,
  )

it.each<[string, HostKeyType, readonly string[]]>([
  ['ed25519', 'ed25519', []],
  ['rsa', 'rsa', []],
  ['ecdsa', 'ecdsa', []],
])('a certificate lets its key in: %s', async (name, type) => {
  const file = join(temp.path, name)
  await generateKey(file, type)
  expect([await openSsh(file), await getsIn(file)]).toEqual([false, false])
  await certifyKey(file, 'root')
  expect([await openSsh(file), await getsIn(file)]).toEqual([true, true])
})

it.each(['384', '521'])('a certificate of an ecdsa key of %s bits', async (bits) => {
  const file = join(temp.path, `ecdsa${bits}`)
  await run('ssh-keygen', ['-q', '-t', 'ecdsa', '-b', bits, '-N', '', '-f', file])
  await certifyKey(file, 'root')
  // The length of an ECDSA signature differs from one to the next.
  for (let turn = 0; turn < 3; turn += 1) expect(await getsIn(file)).toBe(true)
})

it.each<[string, string, readonly string[]]>([
  ['is for another user', 'nobody', []],
  ['has expired', 'root', ['-V', '20200101:20200102']],
])('a certificate that %s lets nobody in, as with ssh', async (name, principal, more) => {
  const file = join(temp.path, name.replaceAll(' ', '-'))
  await generateKey(file, 'ed25519')
  await certifyKey(file, principal, more)
  expect([await openSsh(file), await getsIn(file)]).toEqual([false, false])
})

it("another key's certificate does not keep the key from being tried alone", async () => {
  const other = join(temp.path, 'other')
  await generateKey(other, 'ed25519')
  await certifyKey(other, 'nobody')
  await writeFile(`${sshd.identityFile}-cert.pub`, '')
  await run('cp', [`${other}-cert.pub`, `${sshd.identityFile}-cert.pub`])
  expect(await getsIn(sshd.identityFile)).toBe(true)
})

describe('a key that only the agent has', () => {
  let socket: string
  let agent: ReturnType<typeof spawn>
  beforeAll(async () => {
    socket = join(temp.path, 'agent')
    agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] })
    await once(agent.stdout as NodeJS.ReadableStream, 'data')
  })
  afterAll(async () => {
    agent.kill()
    await once(agent, 'exit')
  })
  const env = () => ({ ...process.env, SSH_AUTH_SOCK: socket })
  const logsIn = async (identityFile?: string) => {
    const { identityFile: _key, agent: _agent, ...ssh } = sshd.sshConfig()
    await using _host = await connectSsh(
      { name: 'lab', ssh: { ...ssh, ...(identityFile === undefined ? {} : { identityFile }) } },
      { resolveSecret, signal: signal(), env: env() },
    )
  }

  it.each<HostKeyType>(['ed25519', 'ecdsa', 'rsa'])(
    'gets in by a certificate of the agent: %s',
    async (type) => {
      const file = join(temp.path, `agent-${type}`)
      await generateKey(file, type)
      await run('ssh-add', ['-q', '-D'], { env: env() })
      await run('ssh-add', ['-q', file], { env: env() })
      await expect(logsIn()).rejects.toMatchObject({ problem: 'auth' })
      await certifyKey(file, 'root')
      // The agent has the key, and the file beside it the certificate.
      await rm(file)
      await logsIn(file)
      await generateKey(`${file}2`, type)
      await certifyKey(`${file}2`, 'root')
      await run('ssh-add', ['-q', `${file}2`], { env: env() })
      await logsIn()
    },
  )
})
