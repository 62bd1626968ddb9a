import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { appendFile, chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConnectionError } from '../../src/errors.ts'
import type { ConnectionProblem } from '../../src/errors.ts'
import type { SshConfig } from '../../src/model/config.ts'
import { Secret } from '../../src/model/secret.ts'
import type { SecretReference } from '../../src/model/secret.ts'
import { connectSsh } from '../../src/remote/ssh.ts'
import { resolveRoute } from '../../src/remote/openssh/resolve.ts'
import { readIdentity } from '../../src/remote/identity-file.ts'
import { fetchHostKey } from '../../src/remote/ssh-client.ts'
import { fingerprint, keyType } from '../../src/remote/known-hosts.ts'
import { freePort } from '../lab/ports.ts'
import { copyKey, createUser, generateKey, startSshd } from '../lab/sshd.ts'
import type { HostKeyType, Sshd, TestUser } from '../lab/sshd.ts'
import { tempDir } from '../lab/temp.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

const PASSWORD = 'a pässword with "quotes" and $(signs)'
const secrets: string[] = []

/** Knows two secrets by their environment names, and notes what was asked for. */
function resolveSecret(reference: SecretReference): Promise<Secret> {
  const name = 'env' in reference ? reference.env : 'other'
  secrets.push(name)
  return Promise.resolve(
    new Secret(name === 'PASSWORD' ? PASSWORD : name === 'PASSPHRASE' ? 'sesame' : 'wrong'),
  )
}

const signal = () => AbortSignal.timeout(60_000)

async function whoami(ssh: SshConfig, env: NodeJS.ProcessEnv = {}): Promise<string> {
  await using host = await connectSsh({ name: 'lab', ssh }, { resolveSecret, signal: signal(), env })
  const result = await host.run({ script: 'remote/probe', args: ['/'] }, { signal: signal() })
  return /^user\t(.*)$/m.exec(result.stdout.toString())?.[1] ?? ''
}

async function hostKey(ssh: SshConfig): Promise<Buffer> {
  const route = await resolveRoute(ssh, { signal: signal() })
  return fetchHostKey({ name: 'lab', route }, 0, { resolveSecret, signal: signal() })
}

async function failure(ssh: SshConfig, env: NodeJS.ProcessEnv = {}): Promise<ConnectionError> {
  try {
    await using _host = await connectSsh({ name: 'lab', ssh }, { resolveSecret, signal: signal(), env })
  } catch (error) {
    if (error instanceof ConnectionError) {
      expect(error.details.host).toBe('lab')
      expect(error.details.next).toBeTruthy()
      expect(`${error.message} ${JSON.stringify(error.details)}`).not.toContain(PASSWORD)
      return error
    }
    throw error
  }
  throw new Error('it connected')
}

describe('logging in', () => {
  let sshd: Sshd
  let user: TestUser
  beforeAll(async () => {
    user = await createUser({ password: PASSWORD })
    sshd = await startSshd({ passwordAuthentication: true })
  })
  afterAll(async () => {
    await sshd[Symbol.asyncDispose]()
    await user[Symbol.asyncDispose]()
  })

  it.each<[HostKeyType, { passphrase?: string; pem?: boolean }]>([
    ['ed25519', {}],
    ['ed25519', { passphrase: 'sesame' }],
    ['ecdsa', {}],
    ['ecdsa', { pem: true, passphrase: 'sesame' }],
    ['rsa', {}],
    ['rsa', { passphrase: 'sesame' }],
    ['rsa', { pem: true }],
    ['rsa', { pem: true, passphrase: 'sesame' }],
  ])('by a key file: %s %j', async (type, options) => {
    await using temp = await tempDir()
    const identityFile = join(temp.path, 'id')
    await generateKey(identityFile, type, options)
    await appendFile(sshd.authorizedKeysFile, await readFile(`${identityFile}.pub`))
    const ssh: SshConfig = {
      ...sshd.sshConfig(user.name),
      identityFile,
      ...(options.passphrase === undefined ? {} : { identityPassphrase: { env: 'PASSPHRASE' } }),
    }
    expect(await whoami(ssh)).toBe(user.name)
  })

  it.each(['ed25519', 'ec', 'rsa'])('by a key file in PKCS#8, locked and open: %s', async (type) => {
    await using temp = await tempDir()
    const identityFile = join(temp.path, 'id')
    const { privateKey } =
      type === 'ed25519'
        ? generateKeyPairSync('ed25519')
        : type === 'ec'
          ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
          : generateKeyPairSync('rsa', { modulusLength: 2048 })
    const form = { type: 'pkcs8', format: 'pem' } as const
    await writeFile(identityFile, privateKey.export(form), { mode: 0o600 })
    const identity = await readIdentity(identityFile)
    if (!('key' in identity)) throw new Error(`no key: ${JSON.stringify(identity)}`)
    const { key } = identity
    await appendFile(sshd.authorizedKeysFile, `${key.type} ${key.getPublicSSH().toString('base64')}\n`)
    const ssh: SshConfig = { ...sshd.sshConfig(user.name), identityFile }
    expect(await whoami(ssh)).toBe(user.name)
    await writeFile(identityFile, privateKey.export({ ...form, cipher: 'aes-256-cbc', passphrase: 'sesame' }))
    expect(await whoami({ ...ssh, identityPassphrase: { env: 'PASSPHRASE' } })).toBe(user.name)
    const { message } = await failure({ ...ssh, identityPassphrase: { env: 'WRONG' } })
    expect(message).toContain('the passphrase does not open')
  })

  it('by a password, which is fetched only when it is needed', async () => {
    const { identityFile: _key, ...ssh } = sshd.sshConfig(user.name)
    secrets.length = 0
    expect(await whoami({ ...sshd.sshConfig(user.name), password: { env: 'PASSWORD' } })).toBe(user.name)
    expect(secrets).toEqual([])
    expect(await whoami({ ...ssh, password: { env: 'PASSWORD' } })).toBe(user.name)
    expect(secrets).toEqual(['PASSWORD'])
  })

  it('by an agent, also one that was not named', async () => {
    await using temp = await tempDir()
    const socket = join(temp.path, 'agent')
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      await once(agent.stdout, 'data')
      const add = spawn('ssh-add', ['-q', sshd.identityFile], {
        env: { ...process.env, SSH_AUTH_SOCK: socket },
      })
      await once(add, 'exit')
      const { identityFile: _key, agent: _agent, ...ssh } = sshd.sshConfig(user.name)
      expect(await whoami(ssh, { SSH_AUTH_SOCK: socket })).toBe(user.name)
      expect(await whoami({ ...ssh, agent: socket })).toBe(user.name)
      const error = await failure({ ...ssh, agent: false }, { SSH_AUTH_SOCK: socket })
      expect(error.problem).toBe('auth')
    } finally {
      agent.kill()
      await once(agent, 'exit')
    }
  })

  it('by both where the server wants both', async () => {
    await using strict = await startSshd({
      passwordAuthentication: true,
      config: ['AuthenticationMethods publickey,password'],
    })
    expect(await whoami({ ...strict.sshConfig(user.name), password: { env: 'PASSWORD' } })).toBe(user.name)
    const error = await failure(strict.sshConfig(user.name))
    expect(error.message).toContain('wants another method')
    expect(error.details.next).toMatch(
      /^The key is right, and the server wants a password besides: set ssh\.password/,
    )
  })

  it('by keyboard-interactive', async () => {
    await using pam = await startSshd({ keyboardInteractive: true })
    const { identityFile: _key, ...ssh } = pam.sshConfig(user.name)
    expect(await whoami({ ...ssh, password: { env: 'PASSWORD' } })).toBe(user.name)
  })

  describe('is refused, and the error says what was tried', () => {
    it.each<[string, (ssh: SshConfig) => Promise<SshConfig> | SshConfig, RegExp[]]>([
      [
        'an unknown user',
        (ssh) => ({ ...ssh, user: 'nobody-of-that-name' }),
        [/nobody-of-that-name/, /client_key/],
      ],
      [
        'a wrong password',
        ({ identityFile: _key, ...ssh }) => ({ ...ssh, password: { env: 'WRONG' } }),
        [/tried: .*password/, /the server takes: publickey, password/],
      ],
      ['no key file', (ssh) => ({ ...ssh, identityFile: '/no/such/key' }), [/there is no \/no\/such\/key/]],
      [
        'a public key file',
        (ssh) => ({ ...ssh, identityFile: `${ssh.identityFile}.pub` }),
        [/is a public key, and there is no agent/],
      ],
    ])('%s', async (_name, change, messages) => {
      const error = await failure(await change(sshd.sshConfig(user.name)))
      expect(error.problem).toBe('auth')
      for (const message of messages) expect(error.message).toMatch(message)
    })

    it('a wrong password, and the advice is about that and not about keys', async () => {
      const { identityFile: _key, ...ssh } = sshd.sshConfig(user.name)
      const { details } = await failure({ ...ssh, password: { env: 'WRONG' } })
      expect(details.next).toMatch(/^Check the password that ssh\.password leads to/)
      expect(details.next).not.toContain('key')
    })

    it('a key where the server takes passwords only, and keys are not advised', async () => {
      await using keyless = await startSshd({
        passwordAuthentication: true,
        config: ['AuthenticationMethods password'],
      })
      const { details } = await failure(keyless.sshConfig(user.name))
      expect(details.next).toMatch(/^The server takes no key: set ssh\.password/)
    })

    it('a wrong key', async () => {
      await using temp = await tempDir()
      const identityFile = join(temp.path, 'stranger')
      await generateKey(identityFile, 'ed25519')
      const error = await failure({ ...sshd.sshConfig(user.name), identityFile })
      expect(error.problem).toBe('auth')
      expect(error.message).toContain(`tried: key ${identityFile}`)
      expect(error.details.next).toContain('authorized_keys')
    })

    it('a key that others can read', async () => {
      await using temp = await tempDir()
      const identityFile = await copyKey(sshd.identityFile, join(temp.path, 'open'), 0o644)
      const error = await failure({ ...sshd.sshConfig(user.name), identityFile })
      expect(error.message).toContain('accessible by others')
      expect(error.details.next).toBe(`chmod 600 ${identityFile}`)
    })

    it.each([
      [undefined, 'no passphrase is configured', 'ssh.identityPassphrase'],
      ['WRONG', 'passphrase does not open', 'ssh.identityPassphrase'],
    ])('an encrypted key with passphrase %s', async (secret, message, next) => {
      await using temp = await tempDir()
      const identityFile = join(temp.path, 'locked')
      await generateKey(identityFile, 'ed25519', { passphrase: 'sesame' })
      const error = await failure({
        ...sshd.sshConfig(user.name),
        identityFile,
        ...(secret === undefined ? {} : { identityPassphrase: { env: secret } }),
      })
      expect(error.problem).toBe('auth')
      expect(error.message).toContain(message)
      expect(error.details.next).toContain(next)
    })
  })
})

describe('the host key', () => {
  let sshd: Sshd
  beforeAll(async () => {
    sshd = await startSshd({ hostKeys: ['ed25519', 'ecdsa', 'rsa'] })
  })
  afterAll(() => sshd[Symbol.asyncDispose]())

  const withKnownHosts = async (folder: string, text: string): Promise<SshConfig> => {
    const knownHosts = join(folder, 'known_hosts')
    await writeFile(knownHosts, text)
    return { ...sshd.sshConfig(), knownHosts }
  }
  const line = (index: number, mark = '') => `${mark}[127.0.0.1]:${sshd.port} ${sshd.hostPublicKeys[index]}\n`

  it.each([0, 1, 2])('number %d is enough when it is the only known one', async (index) => {
    await using temp = await tempDir()
    expect(await whoami(await withKnownHosts(temp.path, line(index)))).toBe('root')
  })

  it('is refused when unknown, with its fingerprint and the command that trusts it', async () => {
    await using temp = await tempDir()
    const ssh = await withKnownHosts(temp.path, '')
    const key = await hostKey(ssh)
    const error = await failure(ssh)
    expect(error.problem).toBe('host-key-unknown')
    expect(error.message).toContain(`ssh-ed25519 ${fingerprint(key)}`)
    expect(error.details.next).toContain('relay-backup hosts trust lab')
  })

  it('is refused when changed, with both fingerprints and the line', async () => {
    await using temp = await tempDir()
    const other = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFQPNH7IOI2Tta73Udi8YOHbmcM69a+r1ovlbZdaCSxG'
    const ssh = await withKnownHosts(temp.path, `# head\n[127.0.0.1]:${sshd.port} ${other}\n`)
    const error = await failure(ssh)
    expect(error.problem).toBe('host-key-changed')
    expect(error.message).toContain(fingerprint(await hostKey(ssh)))
    expect(error.message).toContain(fingerprint(Buffer.from(other.split(' ')[1] ?? '', 'base64')))
    expect(error.message).toContain(`${ssh.knownHosts}:2`)
    expect(error.details.next).toMatch(/Only if .*hosts trust lab/)
  })

  it('is refused when revoked, also when trusted', async () => {
    await using temp = await tempDir()
    const error = await failure(await withKnownHosts(temp.path, line(0) + line(0, '@revoked ')))
    expect(error.problem).toBe('host-key-revoked')
  })

  it('is asked for in a type that is known', async () => {
    await using temp = await tempDir()
    const ssh = await withKnownHosts(temp.path, line(1))
    expect(keyType(await hostKey(ssh))).toBe('ecdsa-sha2-nistp256')
  })
})

describe('no connection', () => {
  const base: SshConfig = { host: '127.0.0.1', port: 1, agent: false, keepAlive: 5000, connectTimeout: 500 }

  it.each<[ConnectionProblem, Partial<SshConfig>]>([
    ['unresolved', { host: 'no-such-host.invalid' }],
    // Nobody can be reached by TCP at the broadcast address.
    ['unreachable', { host: '255.255.255.255' }],
  ])('%s', async (problem, change) => {
    expect((await failure({ ...base, ...change })).problem).toBe(problem)
  })

  it('refused', async () => {
    expect((await failure({ ...base, port: await freePort() })).problem).toBe('refused')
  })

  it.each<[string, string | undefined, ConnectionProblem]>([
    ['says nothing', undefined, 'unreachable'],
    ['speaks another protocol', 'HTTP/1.0 200 OK\r\n\r\nhello', 'protocol'],
    ['hangs up', '', 'protocol'],
  ])('to a server that %s', async (_name, answer, problem) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      if (answer !== undefined) socket.end(answer)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = server.address() as { port: number }
      expect((await failure({ ...base, port })).problem).toBe(problem)
    } finally {
      server.close()
    }
  })

  it('stops at once when it is told to', async () => {
    const reason = new Error('stop')
    const controller = new AbortController()
    const connecting = connectSsh(
      { name: 'lab', ssh: { ...base, host: '192.0.2.1', connectTimeout: 60_000 } },
      { resolveSecret, signal: controller.signal },
    )
    controller.abort(reason)
    await expect(connecting).rejects.toBe(reason)
  })
})

it('finds the default key files of the home', async () => {
  await using sshd = await startSshd()
  await using temp = await tempDir()
  await mkdir(join(temp.path, '.ssh'))
  await copyKey(sshd.identityFile, join(temp.path, '.ssh', 'id_ed25519'), 0o600)
  await chmod(temp.path, 0o755)
  const { identityFile: _key, ...ssh } = sshd.sshConfig()
  const home = process.env['HOME']
  process.env['HOME'] = temp.path
  try {
    expect(await whoami(ssh)).toBe('root')
  } finally {
    process.env['HOME'] = home
  }
})
