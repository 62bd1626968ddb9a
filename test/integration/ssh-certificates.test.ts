import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseHostCertificate } from '../../src/remote/host-certificate.ts'
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

describe("a host's certificate", () => {
  const certificate = () => join(temp.path, 'host-cert.pub')
  const knownHosts = () => join(temp.path, 'known')
  let server: Sshd
  beforeAll(async () => {
    server = await startSshd({
      hostKeys: ['ed25519', 'ecdsa', 'rsa'],
      config: [`HostCertificate ${certificate()}`],
    })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  /** What ssh does, and what this program does. */
  async function decide(known: string): Promise<[boolean, true | string]> {
    await writeFile(knownHosts(), known)
    const ssh = run('ssh', [
      ...['-F', 'none', '-i', server.identityFile, '-p', String(server.port), '-o', 'BatchMode=yes'],
      ...['-o', `UserKnownHostsFile=${knownHosts()}`, '-o', 'GlobalKnownHostsFile=none'],
      ...['root@127.0.0.1', 'true'],
    ]).then(
      () => true,
      () => false,
    )
    const ours = connectSsh(
      { name: 'lab', ssh: { ...server.sshConfig(), knownHosts: knownHosts() } },
      { resolveSecret, signal: signal(), env: {} },
    ).then(
      async (host) => {
        const { status } = await host.run({ script: 'remote/probe', args: ['/'] }, { signal: signal() })
        expect(status).toBe(0)
        await host[Symbol.asyncDispose]()
        return true as const
      },
      (error: Error) => error.message,
    )
    return Promise.all([ssh, ours])
  }
  async function certifyHost(type: HostKeyType, options: readonly string[], by = authority): Promise<void> {
    const file = join(server.folder, `host_${type}`)
    await run('ssh-keygen', ['-q', '-s', by, '-I', 'lab', ...options, `${file}.pub`])
    await rename(`${file}-cert.pub`, certificate())
  }
  const publicOf = async (file: string) => (await readFile(`${file}.pub`, 'utf8')).trim()
  const FOR_LAB = ['-h', '-n', 'other,127.0.0.1']

  it.each<[HostKeyType, HostKeyType]>([
    ['ed25519', 'ecdsa'],
    ['ecdsa', 'rsa'],
    ['rsa', 'ed25519'],
  ])('of an %s key makes it known, signed by an %s key', async (type, by) => {
    const other = join(temp.path, `by-${by}`)
    await generateKey(other, by)
    await certifyHost(type, FOR_LAB, other)
    expect(await decide(`@cert-authority [127.0.0.1]:* ${await publicOf(other)}\n`)).toEqual([true, true])
    // An authority without the port vouches, too.
    expect(await decide(`@cert-authority 127.* ${await publicOf(other)}\n`)).toEqual([true, true])
  })

  it.each<[string, readonly string[], string]>([
    ['is for another host', ['-h', '-n', 'elsewhere'], 'is for another host: elsewhere'],
    ['has expired', [...FOR_LAB, '-V', '20200101:20200102'], 'has expired'],
    ['is not valid yet', [...FOR_LAB, '-V', '20900101:20910102'], 'is not valid yet'],
  ])('that %s makes nothing known, as for ssh; the key alone still counts', async (_, options, why) => {
    await certifyHost('ed25519', options)
    const trusted = `@cert-authority * ${await publicOf(authority)}\n`
    expect(await decide(trusted)).toEqual([false, expect.stringContaining(`the server's certificate ${why}`)])
    const plain = `[127.0.0.1]:${server.port} ${server.hostPublicKeys[0]}\n`
    expect(await decide(trusted + plain)).toEqual([true, true])
  })

  it('of an authority that is not known, revoked, or of other hosts makes nothing known, as for ssh', async () => {
    await certifyHost('ed25519', FOR_LAB)
    const ours = await publicOf(authority)
    const foreign = join(temp.path, 'foreign')
    await generateKey(foreign, 'ed25519')
    for (const [known, why] of [
      [`@cert-authority * ${await publicOf(foreign)}\n`, 'is signed by another authority'],
      [`@cert-authority * ${ours}\n@revoked * ${ours}\n`, 'is revoked'],
      [`@cert-authority * ${ours}\n@revoked * ${server.hostPublicKeys[0]}\n`, 'is revoked'],
      [`@cert-authority *.example.com ${ours}\n`, 'is not known'],
      [`@cert-authority *,!127.0.0.1,![127.0.0.1]:* ${ours}\n`, 'is not known'],
      [`* ${ours}\n`, 'HAS CHANGED'],
    ])
      expect(await decide(known ?? '')).toEqual([false, expect.stringContaining(why ?? '')])
  })

  it('that was altered makes nothing known', async () => {
    await certifyHost('ed25519', ['-h', '-n', 'elsewhere'])
    const [, base64 = ''] = (await readFile(certificate(), 'utf8')).split(' ')
    const altered = Buffer.from(base64, 'base64')
    altered.write('127.0.0.1', altered.indexOf('elsewhere'))
    expect(parseHostCertificate(Buffer.from(base64, 'base64'))?.problem('elsewhere')).toBeUndefined()
    expect(parseHostCertificate(altered)?.problem('127.0.0.1')).toBe('is not signed as it should be')
    expect(parseHostCertificate(altered.subarray(0, 90))).toBeUndefined()
  })

  it('of a user is none of a host', async () => {
    await certifyHost('ed25519', ['-n', '127.0.0.1'])
    const [, base64 = ''] = (await readFile(certificate(), 'utf8')).split(' ')
    const parsed = parseHostCertificate(Buffer.from(base64, 'base64'))
    expect(parsed?.problem('127.0.0.1')).toBe('is one of a user, not of a host')
  })
})
