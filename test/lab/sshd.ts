import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { SshConfig } from '../../src/model/config.ts'
import { freePort } from './ports.ts'
import { programPath, TEST_RUN, withRunner } from './runner.ts'
import { tempDir } from './temp.ts'

const run = promisify(execFile)

export type HostKeyType = 'ed25519' | 'ecdsa' | 'rsa'

export interface SshdOptions {
  /** Default: ed25519 only. */
  readonly hostKeys?: readonly HostKeyType[]
  /** The whole PATH of every session; `busyboxTools()` makes one. Default: the tests' own, of declared programs. */
  readonly path?: string
  readonly passwordAuthentication?: boolean
  /** Through PAM, as Debian does. */
  readonly keyboardInteractive?: boolean
  readonly maxSessions?: number
  readonly forceCommand?: string
  /** A login shell that is bash reads its user's ~/.bashrc, as usual outside the lab. */
  readonly bashrc?: boolean
  readonly withoutSftp?: boolean
  /** Further lines of sshd_config. */
  readonly config?: readonly string[]
  /** Public keys besides the lab's own client key. */
  readonly authorizedKeys?: readonly string[]
}

const SET_ENV = 'SetEnv '

/** What every session finds in its environment, as lines of sshd_config. */
function environment({ path = testsPath(), bashrc, config = [] }: SshdOptions): string[] {
  const words = [
    ...(path === undefined ? [] : [`PATH=${path}`]),
    ...config.filter((line) => line.startsWith(SET_ENV)).map((line) => line.slice(SET_ENV.length)),
    // As a login shell of sshd's, bash reads ~/.bashrc unless it believes to be inside another shell. What people have
    // in there can take longer than the command.
    ...(bashrc === true ? [] : ['SHLVL=1']),
  ]
  return words.length === 0 ? [] : [`${SET_ENV}${words.join(' ')}`]
}

/** Undefined outside of the tests: the bench's server is like any other. */
function testsPath(): string | undefined {
  return process.env[TEST_RUN] === undefined ? undefined : process.env['PATH']
}

/** A real OpenSSH server on 127.0.0.1 that serves this machine's users. */
export interface Sshd extends AsyncDisposable {
  readonly port: number
  /** A directory of the lab's own, readable by everyone, removed at the end. */
  readonly folder: string
  /** The client's private key, without passphrase; its public half is authorized for every user. */
  readonly identityFile: string
  /** Holds this server's keys. */
  readonly knownHosts: string
  /** `ssh-ed25519 AAAA…` of each host key. */
  readonly hostPublicKeys: readonly string[]
  readonly authorizedKeysFile: string
  /** A working way in, by the lab's key, as this user (default: root). */
  sshConfig(user?: string): SshConfig
  /** Pids of the sshd processes that serve connections, without the listener. */
  sessions(): Promise<number[]>
  /** Kills them: the connection is cut and nothing that runs in it gets a signal. */
  killSessions(): Promise<void>
  /** Stops listening; sessions go on. */
  stopListening(): Promise<void>
}

/** Starts sshd with its own keys and config and waits until it listens. Needs root. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const temp = await tempDir('relay-backup-sshd-')
  const folder = temp.path
  await chmod(folder, 0o755)
  await mkdir('/run/sshd', { recursive: true, mode: 0o755 })
  const port = await freePort()
  const identityFile = join(folder, 'client_key')
  const hostKeys = options.hostKeys ?? ['ed25519']
  await Promise.all([
    generateKey(identityFile, 'ed25519'),
    ...hostKeys.map((type) => generateKey(join(folder, `host_${type}`), type)),
  ])
  const publicKey = await readFile(`${identityFile}.pub`, 'utf8')
  const authorizedKeysFile = join(folder, 'authorized_keys')
  await writeFile(authorizedKeysFile, [publicKey.trim(), ...(options.authorizedKeys ?? []), ''].join('\n'), {
    mode: 0o644,
  })
  const hostPublicKeys = await Promise.all(
    hostKeys.map(async (type) =>
      (await readFile(join(folder, `host_${type}.pub`), 'utf8')).split(' ').slice(0, 2).join(' ').trim(),
    ),
  )
  const knownHosts = join(folder, 'known_hosts')
  await writeFile(knownHosts, hostPublicKeys.map((key) => `[127.0.0.1]:${port} ${key}\n`).join(''), {
    mode: 0o600,
  })
  const onOff = (value: boolean | undefined) => (value === true ? 'yes' : 'no')
  const configFile = join(folder, 'sshd_config')
  await writeFile(
    configFile,
    [
      `ListenAddress 127.0.0.1:${port}`,
      ...hostKeys.map((type) => `HostKey ${join(folder, `host_${type}`)}`),
      `PidFile ${join(folder, 'sshd.pid')}`,
      `AuthorizedKeysFile ${authorizedKeysFile}`,
      // The files lie below /tmp, which everyone can write to.
      'StrictModes no',
      'PermitRootLogin yes',
      'UseDNS no',
      'LogLevel VERBOSE',
      'PrintMotd no',
      ...(options.withoutSftp === true ? [] : ['Subsystem sftp internal-sftp']),
      `UsePAM ${onOff(options.keyboardInteractive)}`,
      `PasswordAuthentication ${onOff(options.passwordAuthentication)}`,
      `KbdInteractiveAuthentication ${onOff(options.keyboardInteractive)}`,
      ...(options.maxSessions === undefined ? [] : [`MaxSessions ${options.maxSessions}`]),
      ...(options.forceCommand === undefined ? [] : [`ForceCommand ${options.forceCommand}`]),
      ...(options.config ?? []).filter((line) => !line.startsWith(SET_ENV)),
      // One line with all of them: sshd takes the first.
      ...environment(options),
      '',
    ].join('\n'),
  )
  // sshd wants to be named by its whole path: it starts itself anew for each connection.
  const listener = spawn(...withRunner(programPath('sshd'), ['-D', '-e', '-f', configFile]), {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  listener.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-16_384)))
  // Sessions outlive their listener as orphans: they are told apart by this.
  const known = new Set<number>()
  const sessions = async () => {
    for (const pid of await descendants([...known, ...(listener.pid === undefined ? [] : [listener.pid])])) {
      known.add(pid)
    }
    const alive = await Promise.all([...known].map(async (pid) => ((await isSshd(pid)) ? pid : undefined)))
    return alive.filter((pid) => pid !== undefined)
  }
  const killSessions = async () => {
    for (const pid of await sessions()) signal(pid, 'SIGKILL')
  }
  const dispose = async () => {
    await killSessions()
    await stop(listener)
    await temp[Symbol.asyncDispose]()
  }
  try {
    await listening(port, listener, () => log)
  } catch (error) {
    await dispose()
    throw error
  }
  return {
    port,
    folder,
    identityFile,
    knownHosts,
    hostPublicKeys,
    authorizedKeysFile,
    sshConfig: (user = 'root') => ({
      host: '127.0.0.1',
      port,
      user,
      identityFile,
      agent: false,
      knownHosts,
      keepAlive: 5000,
      connectTimeout: 10_000,
    }),
    sessions,
    killSessions,
    stopListening: () => stop(listener),
    [Symbol.asyncDispose]: dispose,
  }
}

/** Makes a key pair with the real ssh-keygen; the private file is 0600, the public one has `.pub` behind. */
export async function generateKey(
  file: string,
  type: HostKeyType,
  options: { readonly passphrase?: string; readonly pem?: boolean } = {},
): Promise<void> {
  const form = options.pem === true ? ['-m', 'PEM'] : []
  const bits = type === 'rsa' ? ['-b', '2048'] : []
  await run('ssh-keygen', [
    '-q',
    '-t',
    type,
    ...bits,
    ...form,
    '-N',
    options.passphrase ?? '',
    '-C',
    '',
    '-f',
    file,
  ])
}

/** A system user of its own for one test; needs root. */
export interface TestUser extends AsyncDisposable {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

let users = 0

/** Creates an unprivileged user with a home; disposing it kills what it runs and removes it. */
export async function createUser(
  options: { readonly shell?: string; readonly password?: string; readonly groups?: readonly string[] } = {},
): Promise<TestUser> {
  users += 1
  // Not by the number of the process: another run may be in a PID namespace of its own.
  const name = `rbt${randomBytes(4).toString('hex')}x${users}`
  const groups = options.groups === undefined ? [] : ['-G', options.groups.join(',')]
  await run('useradd', ['-m', '-s', options.shell ?? '/bin/sh', ...groups, name])
  // `*` is no password at all, `!` (useradd's default) a locked account that sshd refuses without PAM.
  await run('usermod', ['-p', '*', name])
  if (options.password !== undefined) {
    const child = run('chpasswd', [])
    child.child.stdin?.end(`${name}:${options.password}\n`)
    await child
  }
  const [, , uid, gid, , home = ''] = (await run('getent', ['passwd', name])).stdout.trim().split(':')
  const user = { name, uid: Number(uid), gid: Number(gid), home }
  return {
    ...user,
    async [Symbol.asyncDispose]() {
      for (const pid of await processes()) {
        if ((await ownerOf(pid)) === user.uid) signal(pid, 'SIGKILL')
      }
      await run('userdel', ['-f', '-r', name]).catch((error: unknown) => {
        // 12: the home was gone or not its own. The user itself is removed.
        if ((error as { code?: number }).code !== 12) throw error
      })
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** A private key's copy with other permissions, for tests of what is refused. */
export async function copyKey(from: string, to: string, mode: number): Promise<string> {
  await copyFile(from, to)
  await chmod(to, mode)
  return to
}

/** All processes below these, children of children too. */
export async function descendants(roots: readonly number[]): Promise<number[]> {
  const parents = new Map<number, number>()
  for (const pid of await processes()) {
    const parent = await parentOf(pid)
    if (parent !== undefined) parents.set(pid, parent)
  }
  const found = new Set<number>(roots)
  for (let grew = true; grew;) {
    grew = false
    for (const [pid, parent] of parents) {
      if (found.has(parent) && !found.has(pid)) {
        found.add(pid)
        grew = true
      }
    }
  }
  for (const root of roots) found.delete(root)
  return [...found]
}

async function processes(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
}

async function parentOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The command's name is in parentheses and may hold anything.
  const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]
  return parent === undefined ? undefined : Number(parent)
}

async function isSshd(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
  return /^\d+ \(sshd/.test(stat) && state !== 'Z'
}

async function ownerOf(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const uid = /^Uid:\s+(\d+)/m.exec(status)?.[1]
  return uid === undefined ? undefined : Number(uid)
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It is gone already.
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exited
}

async function listening(port: number, child: ChildProcess, log: () => string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (child.exitCode !== null) throw new Error(`sshd ended at once:\n${log()}`)
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      }).on('error', () => resolve(false))
    })
    if (open) return
    await sleep(25)
  }
  throw new Error(`sshd does not listen:\n${log()}`)
}
