import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ConnectionError } from '../../src/errors.ts'
import type { SshConfig } from '../../src/model/config.ts'
import { aliases, isAlias } from '../../src/remote/openssh/alias.ts'
import type { Endpoint } from '../../src/remote/openssh/endpoint.ts'
import { readSshConfig } from '../../src/remote/openssh/read-config.ts'
import { resolveRoute } from '../../src/remote/openssh/resolve.ts'
import { connectSsh } from '../../src/remote/ssh.ts'
import { generateKey, startSshd } from '../lab/sshd.ts'
import type { Sshd } from '../lab/sshd.ts'
import { tempDir } from '../lab/temp.ts'
import type { TempDir } from '../lab/temp.ts'

const run = promisify(execFile)
const signal = () => AbortSignal.timeout(60_000)
const resolveSecret = () => Promise.reject(new Error('no secret was named'))

let temp: TempDir
let home: string | undefined
beforeAll(async () => {
  temp = await tempDir()
  await mkdir(join(temp.path, '.ssh'), { mode: 0o700 })
  home = process.env['HOME']
  process.env['HOME'] = temp.path
})
afterAll(async () => {
  process.env['HOME'] = home
  await temp[Symbol.asyncDispose]()
})

const config = () => join(temp.path, '.ssh', 'config')
const writeConfig = (text: string) => writeFile(config(), text)

async function whoami(host: string, own: Partial<SshConfig> = {}): Promise<string> {
  await using remote = await connectSsh(
    { name: 'lab', ssh: { host, ...own } },
    { resolveSecret, signal: signal(), env: {} },
  )
  const result = await remote.run({ script: 'remote/probe', args: ['/'] }, { signal: signal() })
  return /^user\t(.*)$/m.exec(result.stdout.toString())?.[1] ?? ''
}

function read(host: string) {
  const { username: user, uid } = userInfo()
  const local = { user, uid, home: temp.path, hostname: 'here', env: {} }
  return readSshConfig({ host, user: undefined, port: undefined, jump: undefined }, [config()], local)
}

/** What `ssh` itself does: its exit status is 0 when it got in. */
async function openSsh(host: string): Promise<boolean> {
  return run('ssh', ['-F', config(), '-o', 'BatchMode=yes', host, 'true']).then(
    () => true,
    () => false,
  )
}

it('an alias is a name of which more is said than of every name', async () => {
  await writeFile(join(temp.path, '.ssh', 'more'), 'Host included\n  HostName 127.0.0.9\n')
  await writeConfig(
    `Include ${join(temp.path, '.ssh', 'more')}\nHost a\n  HostName 127.0.0.1\nHost shop web-*\n  User ${userInfo().username}\n` +
      'Host *\n  HostName %h.example.com\n  ControlPath ~/.ssh/c-%C\n',
  )
  // Nothing of the pattern differs from what holds for every name.
  const names = ['a', 'a:2222', 'shop', 'included', 'b', 'PROD', 'web-1', 'no_such', 'x;y']
  const found = await Promise.all(names.map(async (name) => [name, await isAlias(name, signal())] as const))
  expect(found.filter(([, is]) => is).map(([name]) => name)).toEqual(['a', 'a:2222', 'shop', 'included'])
  expect(await aliases()).toEqual(['a', 'shop'])
})

describe('a way', () => {
  let sshds: Sshd[]
  beforeAll(async () => {
    sshds = await Promise.all([startSshd(), startSshd(), startSshd()])
  })
  afterAll(async () => {
    for (const sshd of sshds) await sshd[Symbol.asyncDispose]()
  })
  const at = (index: number) => sshds[index] as Sshd
  /** A block of config whose server is known and that lets in with its own key only. */
  const block = (alias: string, index: number, lines: readonly string[] = []) =>
    [
      `Host ${alias}`,
      '  HostName 127.0.0.1',
      `  Port ${at(index).port}`,
      '  User root',
      `  IdentityFile ${at(index).identityFile}`,
      '  IdentitiesOnly yes',
      '  IdentityAgent none',
      `  UserKnownHostsFile ${at(index).knownHosts}`,
      ...lines.map((line) => `  ${line}`),
      '',
    ].join('\n')

  it('is an alias', async () => {
    await writeConfig(block('prod', 0))
    expect(await openSsh('prod')).toBe(true)
    expect(await whoami('prod')).toBe('root')
  })

  it('goes over three hops, each with a key and a known_hosts of its own', async () => {
    await writeConfig(
      block('one', 0) + block('two', 1, ['ProxyJump one']) + block('three', 2, ['ProxyJump two']),
    )
    expect(await openSsh('three')).toBe(true)
    expect(await whoami('three')).toBe('root')
    await writeConfig(block('one', 0) + block('two', 1) + block('three', 2, ['ProxyJump one,two']))
    expect(await openSsh('three')).toBe(true)
    expect(await whoami('three')).toBe('root')
  })

  it('leaves no session behind on any hop', async () => {
    await writeConfig(block('one', 0) + block('two', 1) + block('three', 2, ['ProxyJump one,two']))
    await whoami('three')
    await expect.poll(() => Promise.all(sshds.map((sshd) => sshd.sessions()))).toEqual([[], [], []])
  })

  it('is refused at the hop whose key is not known, as by ssh', async () => {
    const stranger = block('two', 1).replace(at(1).knownHosts, join(temp.path, 'none'))
    await writeConfig(block('one', 0) + stranger + block('three', 2, ['ProxyJump one,two']))
    expect(await openSsh('three')).toBe(false)
    const error = await whoami('three').catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ConnectionError)
    expect((error as ConnectionError).problem).toBe('host-key-unknown')
    expect((error as ConnectionError).message).toContain(`port ${at(1).port}`)
  })

  it('is refused at the hop that takes no key of ours, as by ssh', async () => {
    const closed = block('two', 1).replace(at(1).identityFile, at(0).identityFile)
    await writeConfig(block('one', 0) + closed + block('three', 2, ['ProxyJump one,two']))
    expect(await openSsh('three')).toBe(false)
    await expect(whoami('three')).rejects.toMatchObject({ problem: 'auth' })
  })

  it('goes by a ProxyCommand, which ends with the connection', async () => {
    const seen = join(temp.path, 'pid')
    const connect = join(temp.path, 'connect.py')
    await writeFile(
      connect,
      `import os, socket, sys, threading
open(sys.argv[3], 'w').write(str(os.getpid()))
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while True:
        d = os.read(0, 65536)
        if not d: break
        s.sendall(d)
threading.Thread(target=up, daemon=True).start()
while True:
    d = s.recv(65536)
    if not d: break
    os.write(1, d)
`,
    )
    await writeConfig(block('prod', 0, [`ProxyCommand python3 ${connect} %h %p ${seen}`]))
    expect(await openSsh('prod')).toBe(true)
    await writeFile(seen, '')
    expect(await whoami('prod')).toBe('root')
    const pid = (await readFile(seen, 'utf8')).trim()
    expect(pid).not.toBe('')
    expect(await readdir('/proc')).not.toContain(pid)
  })

  it('says what a ProxyCommand that fails has said', async () => {
    await writeConfig(block('prod', 0, [`ProxyCommand sh -c 'echo no way there >&2; exit 3'`]))
    const error = await whoami('prod').catch((caught: unknown) => caught)
    expect((error as Error).message).toContain('no way there')
    expect((error as ConnectionError).details.next).toContain('Try it by itself')
  })

  it('knows the server by its HostKeyAlias', async () => {
    const known = join(temp.path, 'aliased')
    await writeFile(known, `the-relay ${at(0).hostPublicKeys[0]}\n`)
    await writeConfig(block('prod', 0, ['HostKeyAlias the-relay']).replace(at(0).knownHosts, known))
    expect(await openSsh('prod')).toBe(true)
    expect(await whoami('prod')).toBe('root')
  })

  it.each(['no', 'accept-new', 'off'])('is never less strict: StrictHostKeyChecking %s', async (value) => {
    const strange = join(temp.path, 'strange')
    await writeFile(strange, '')
    await writeConfig(block('prod', 0, [`StrictHostKeyChecking ${value}`]).replace(at(0).knownHosts, strange))
    await expect(whoami('prod')).rejects.toMatchObject({ problem: 'host-key-unknown' })
    expect(await readFile(strange, 'utf8')).toBe('')
    const { notHonoured } = await resolveRoute({ host: 'prod' }, { signal: signal() })
    expect(notHonoured).toEqual([`StrictHostKeyChecking ${value === 'off' ? 'no' : value}`])
  })

  it('is refused by a revoked key of RevokedHostKeys, as by ssh', async () => {
    const revoked = join(temp.path, 'revoked')
    await writeFile(revoked, `${at(0).hostPublicKeys[0]}\n`)
    await writeConfig(block('prod', 0, [`RevokedHostKeys ${revoked}`]))
    expect(await openSsh('prod')).toBe(false)
    await expect(whoami('prod')).rejects.toMatchObject({ problem: 'host-key-revoked' })
  })

  it('gives way to keys of our own config', async () => {
    await writeConfig(
      `${block('prod', 0).replace('User root', 'User nobody')}`.replace(at(0).identityFile, '/no/such/key'),
    )
    expect(await openSsh('prod')).toBe(false)
    expect(await whoami('prod', { user: 'root', identityFile: at(0).identityFile })).toBe('root')
    await writeConfig(block('prod', 0).replace(/Port \d+/, 'Port 1'))
    expect(await whoami('prod', { port: at(0).port })).toBe('root')
  })

  it('tries several identity files, and names those that are not there', async () => {
    const other = join(temp.path, 'other')
    await generateKey(other, 'ed25519')
    await writeConfig(
      block('prod', 0).replace(
        '  IdentityFile',
        `  IdentityFile ${other}\n  IdentityFile /no/such/key\n  IdentityFile`,
      ),
    )
    expect(await openSsh('prod')).toBe(true)
    expect(await whoami('prod')).toBe('root')
  })

  it('is the error of ssh where ssh refuses its config', async () => {
    await writeConfig('Host prod\n  BadKeyword 3\n')
    const error = await whoami('prod').catch((caught: unknown) => caught)
    expect(error).toMatchObject({ problem: 'ssh-config', details: { host: 'lab' } })
    expect((error as Error).message).toMatch(/Bad configuration option: badkeyword/)
  })
})

describe('what is decided is what ssh -G says', () => {
  const TABLE: readonly (readonly [name: string, host: string, text: string])[] = [
    ['nothing', 'relay.example.com', ''],
    ['an alias', 'prod', 'Host prod\n HostName relay.example.com\n User deploy\n Port 2222\n'],
    ['the first value', 'prod', 'Host prod\n User a\nHost *\n User b\n Port 7\n'],
    ['wildcards', 'web-3.example.com', 'Host web-?.example.com\n User w\nHost *.org\n User o\n'],
    ['negation', 'db.example.com', 'Host *.example.com !db.example.com\n User w\nHost *\n Port 4\n'],
    ['quotes and =', 'prod', 'Host "prod"\n User="deploy"\n Port = 2200\n'],
    ['tokens', 'prod', 'Host prod\n HostName %h.example.com\n'],
    ['Match host', 'prod', 'Host prod\n HostName a.example.com\nMatch host a.example.com\n User m\n'],
    [
      'keywords in any case',
      'prod',
      'HOST prod\n hostname a.example.com\nmatch host a.example.com\n uSER m\n',
    ],
    ['Match originalhost', 'prod', 'Host prod\n HostName a.b\nMatch originalhost prod\n User m\n'],
    ['Match user', 'prod', 'Host prod\n User deploy\nMatch user deploy\n Port 23\n'],
    ['Match negated', 'prod', 'Match !host x* user root,deploy\n Port 24\n'],
    ['Match exec', 'prod', 'Match exec "test %h = prod"\n Port 25\n'],
    ['Match all', 'prod', 'Match all\n Port 26\n'],
    ['Match final', 'prod', 'Host prod\n HostName x.example.com\nMatch final host x.example.com\n User f\n'],
    ['an include', 'prod', 'Include included\nHost *\n Port 5\n'],
    ['comments', 'prod', '# x\n  Host prod # not here\n User u # later\n'],
  ]

  /**
   * What the last server of the way is, beside what is compared with `ssh -G` itself; `~` stands for the home. Where OpenSSH
   * replaces a `~` itself, it takes the home of the user database, which is not that of the test.
   */
  const LOGINS: readonly (readonly [name: string, text: string, expected: Partial<Endpoint>])[] = [
    [
      'several identity files, quoted and collected',
      'Host prod\n IdentityFile ~/.ssh/a\n IdentityFile "~/.ssh/b c"\n IdentityFile ~/.ssh/a\nHost *\n IdentityFile /k\n',
      { identities: identities({ files: ['~/.ssh/a', '~/.ssh/b c', '/k'], named: true }) },
    ],
    ['no identity file', 'IdentityFile none\n', { identities: identities({ files: [], named: true }) }],
    [
      'tokens in an identity file',
      'Host prod\n HostName 10.0.0.9\n User u\n Port 2200\n IdentityFile ~/.ssh/%r@%h-%p-%n%%\n',
      { identities: identities({ files: ['~/.ssh/u@10.0.0.9-2200-prod%'], named: true }) },
    ],
    [
      'the home and variables in an identity file',
      'IdentityFile %d/k\nIdentityFile ${HOME}/l\n',
      { identities: identities({ files: ['~/k', '~/l'], named: true }) },
    ],
    [
      'certificates and IdentitiesOnly',
      'Host prod\n IdentitiesOnly yes\n CertificateFile ~/a-cert.pub\n CertificateFile /b-cert.pub\n IdentityFile /k\n',
      {
        identities: identities({
          files: ['/k'],
          named: true,
          only: true,
          certificates: ['~/a-cert.pub', '/b-cert.pub'],
        }),
      },
    ],
    [
      'several files of known hosts',
      'UserKnownHostsFile /k1 /k2\nGlobalKnownHostsFile /g1 /g2\nHashKnownHosts yes\nRevokedHostKeys ~/revoked\n',
      {
        knownHosts: {
          user: ['/k1', '/k2'],
          system: ['/g1', '/g2'],
          revoked: '~/revoked',
          hashed: true,
        },
      },
    ],
    [
      'tokens in a file of known hosts',
      'UserKnownHostsFile /known-%h\n',
      { knownHosts: knownHosts({ user: ['/known-prod'] }) },
    ],
    ['no file of known hosts', 'UserKnownHostsFile none\n', { knownHosts: knownHosts({ user: [] }) }],
    [
      'a name for known hosts',
      'Host prod\n HostName 10.0.0.9\n Port 2200\n HostKeyAlias relay\n',
      { known: { host: 'relay', port: 22 } },
    ],
    [
      'several hops, each with keys of its own',
      'Host prod\n ProxyJump one,deploy@two:2202\nHost one\n HostName 10.0.0.1\n User first\n IdentityFile /k1\nHost two\n HostName 10.0.0.2\n Port 9\n IdentityFile /k2\n',
      {},
    ],
    [
      'hops of hops',
      'Host prod\n ProxyJump two\nHost two\n ProxyJump ssh://root@one:2201\nHost one\n ProxyCommand nc %h %p\n',
      {},
    ],
    ['no jump, whatever comes later', 'Host prod\n ProxyJump none\nHost *\n ProxyJump one\n', {}],
    ['a command before a jump', 'Host prod\n ProxyCommand nc -x p %h %p # %r\nHost *\n ProxyJump one\n', {}],
    [
      'a jump before a command',
      'Host prod\n ProxyJump one\nHost prod\n ProxyCommand nc %h %p\nHost one\n Port 7\n',
      {},
    ],
    ['no command', 'Host prod\n ProxyCommand none\n', {}],
    [
      'times in words',
      'ConnectTimeout 1m30s\nServerAliveInterval 5\nServerAliveCountMax 3\n',
      { connectTimeout: 90_000, keepAlive: 5000, deadAfter: 15_000 },
    ],
    ['times that are off', 'ConnectTimeout 0\nServerAliveInterval 0\n', {}],
    [
      'methods',
      'PreferredAuthentications password,publickey,hostbased\nPasswordAuthentication yes\n',
      { methods: ['password', 'publickey'] },
    ],
    [
      'methods that are off',
      'PubkeyAuthentication no\nKbdInteractiveAuthentication no\nBatchMode yes\nServerAliveInterval 4\n',
      { methods: ['password'], batch: true },
    ],
    [
      'the address',
      'HostName ::1\nAddressFamily inet6\nBindAddress ::2\n',
      { host: '::1', family: 6, bindAddress: '::2' },
    ],
    ['an agent by its socket', 'IdentityAgent /agent-%u\n', {}],
    [
      'includes below a directory, in their order',
      'Include conf.d/*.conf no-such-file\nHost *\n Port 5\n',
      { user: 'first', port: 5 },
    ],
    [
      'an include that counts for one host only',
      'Host other\n Include conf.d/a.conf\nHost prod\n Port 6\n',
      { port: 6 },
    ],
    ['a Match in an include', 'Include conf.d/match\nMatch all\n User late\n', { user: 'matched' }],
    [
      'several criteria',
      'Match originalhost prod,!db user root\n Port 8\nMatch originalhost !prod,*\n Port 9\n',
      {},
    ],
    ['a name that is ruled out', 'Host * !prod\n Port 8\nHost !db *\n Port 9\n', { port: 9 }],
    ['tabs, CRLF, = and case', '\tHOST=prod\r\n\tuser =  u\r\n  pOrt\t=\t77\r\n', { user: 'u', port: 77 }],
  ]

  function identities(own: Partial<Endpoint['identities']>): Endpoint['identities'] {
    return { files: [], named: false, certificates: [], only: false, passphrase: undefined, ...own }
  }
  function knownHosts(own: Partial<Endpoint['knownHosts']>): Endpoint['knownHosts'] {
    const system = ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2']
    return { user: [], system, revoked: undefined, hashed: false, ...own }
  }

  const ALL = [...TABLE, ...LOGINS.map(([name, text, expected]) => [name, 'prod', text, expected] as const)]

  it.each(ALL)('%s', async (name, host, text, expected = {}) => {
    const ssh = join(temp.path, '.ssh')
    await mkdir(join(ssh, 'conf.d'), { recursive: true })
    await writeFile(join(ssh, 'included'), 'Host prod\n User included\n')
    await writeFile(join(ssh, 'conf.d', 'a.conf'), 'User first\n')
    await writeFile(join(ssh, 'conf.d', 'b.conf'), 'User second\n')
    await writeFile(join(ssh, 'conf.d', 'match'), 'Match host prod\n User matched\n')
    // Of a file that it is told to read, OpenSSH takes what is relative from the user database's home.
    const absolute = text.replaceAll(/^(\s*Include )(\S+)/gm, `$1${ssh}/$2`)
    await writeConfig(absolute)
    await chmod(config(), 0o600)
    const { stdout } = await run('ssh', ['-F', config(), '-G', host])
    const told = (keyword: string) => new RegExp(`^${keyword} (.*)$`, 'm').exec(stdout)?.[1]
    const asked = () => resolveRoute({ host }, { signal: signal(), env: {} })
    const route = await asked()
    const jumps = told('proxyjump') === undefined ? 0 : told('proxyjump')!.split(',').length
    expect(route.hops.length > jumps, 'hops').toBe(true)
    const home = (value: unknown): unknown =>
      JSON.parse(JSON.stringify(value).replaceAll('"~', `"${temp.path}`))
    expect(route.hops.at(-1)).toMatchObject({
      host: told('hostname'),
      user: told('user'),
      port: Number(told('port')),
      ...(home(expected) as object),
    })
    if (name === 'Match exec') return
    vi.stubEnv('PATH', '/no/openssh')
    try {
      if (text.includes('Include')) await writeConfig(text)
      expect(await asked(), 'without OpenSSH').toEqual(route)
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it.each([
    ['Match exec "true"\n User u\n', /config line 1: Match exec needs OpenSSH/],
    ['CanonicalizeHostname yes\n', /needs OpenSSH/],
  ])('without OpenSSH, what only that can judge is refused: %j', async (text, message) => {
    await writeConfig(text)
    await expect(read('prod')).rejects.toThrow(message)
  })

  it.each([
    ['IdentityAgent none', { agent: undefined }],
    ['IdentityAgent SSH_AUTH_SOCK', { agent: '/run/standard' }],
    ['IdentityAgent $OTHER_AGENT', { agent: '/run/other' }],
    ['IdentityAgent /run/%r', { agent: '/run/u' }],
    ['UserKnownHostsFile /a /b', { knownHosts: { user: ['/a', '/b'] } }],
    ['ConnectTimeout 7', { connectTimeout: 7000 }],
    ['ServerAliveInterval 4\n ServerAliveCountMax 2', { keepAlive: 4000, deadAfter: 8000 }],
    ['HostKeyAlias known', { known: { host: 'known', port: 22 } }],
    ['IdentityFile none', { identities: { files: [] } }],
  ])('for the login: %s', async (line, expected) => {
    await writeConfig(`Host prod\n User u\n ${line}\n`)
    const env = { SSH_AUTH_SOCK: '/run/standard' }
    vi.stubEnv('OTHER_AGENT', '/run/other')
    const { hops } = await resolveRoute({ host: 'prod' }, { signal: signal(), env })
    vi.unstubAllEnvs()
    expect(hops[0]).toMatchObject(expected)
  })

  it('names what is not honoured, by its name in ssh_config', async () => {
    await writeConfig(
      'Host prod\n Ciphers aes256-ctr\n KnownHostsCommand /bin/true %H\n ForwardAgent yes\n ControlMaster auto\n',
    )
    const { notHonoured } = await resolveRoute({ host: 'prod' }, { signal: signal() })
    expect(notHonoured).toEqual(['Ciphers', 'KnownHostsCommand'])
  })
})
