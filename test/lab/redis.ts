import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './ports.ts'
import { withRunner } from './runner.ts'

/** How a lab server starts. */
export interface RedisOptions {
  /** Its data directory; absent: a new temporary one, removed at the end. */
  readonly dir?: string
  /** Absent: a free one. */
  readonly port?: number
  /** A config file; the arguments win over it. */
  readonly config?: string
  /** More command line arguments, `['--appendonly', 'yes']`. They win over the defaults. */
  readonly args?: readonly string[]
  /** Sets `requirepass`. */
  readonly password?: string
  /** ACL rules, `user backup on >secret ~* +ping +info`, one a line. */
  readonly users?: readonly string[]
  /** Return as soon as the port answers, also while the data set is still being loaded. */
  readonly loading?: boolean
}

/** A real redis-server on loopback. Disposing it kills the server and removes a directory it made. */
export interface LabRedis extends AsyncDisposable {
  readonly port: number
  /** Its data directory with symlinks resolved. */
  readonly dir: string
  readonly pid: number
  /** What the server logged so far. */
  log(): string
  /** Runs redis-cli and returns its output without the last newline. Throws when it exits non-zero or answers an error. */
  cli(...args: (string | Buffer)[]): Promise<string>
  /** Sends raw bytes (inline commands or RESP) and resolves when the server has answered them all with the pong of a last PING. */
  pipe(bytes: string | Buffer): Promise<void>
  /** SHUTDOWN in order, without saving unless asked. */
  stop(how?: 'save' | 'nosave'): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
}

/** Starts a redis-server and waits until it answers. */
export async function startRedis(options: RedisOptions = {}): Promise<LabRedis> {
  const made = options.dir === undefined ? await mkdtemp(join(tmpdir(), 'relay-redis-')) : undefined
  const dir = await realpath(options.dir ?? made ?? '')
  const port = options.port ?? (await freePort())
  const args = [
    ...(options.config === undefined ? [] : [options.config]),
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--daemonize', 'no'],
    ...(options.password === undefined ? [] : ['--requirepass', options.password]),
    ...(options.users ?? []).flatMap((user) => ['--user', ...user.replace(/^user /, '').split(' ')]),
    ...(options.args ?? []),
  ]
  const child = spawn(...withRunner('redis-server', args), { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (log += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
  const server = new Server(child, port, dir, made, options, () => log)
  await server.waitUntilUp()
  return server
}

class Server implements LabRedis {
  readonly port: number
  readonly dir: string
  readonly #child: ChildProcess
  readonly #made: string | undefined
  readonly #options: RedisOptions
  readonly log: () => string

  constructor(
    child: ChildProcess,
    port: number,
    dir: string,
    made: string | undefined,
    options: RedisOptions,
    log: () => string,
  ) {
    this.#child = child
    this.port = port
    this.dir = dir
    this.#made = made
    this.#options = options
    this.log = log
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async waitUntilUp(): Promise<void> {
    for (let tries = 0; tries < 600; tries += 1) {
      if (this.#ended()) throw new Error(`redis-server ended:\n${this.log()}`)
      const answer = await ask(this.port, this.#options.password)
      if (answer !== undefined && (this.#options.loading === true || !answer.includes('LOADING'))) return
      await sleep(20)
    }
    await this.kill()
    throw new Error(`redis-server did not come up:\n${this.log()}`)
  }

  async cli(...args: (string | Buffer)[]): Promise<string> {
    // -x hands over one binary argument; binary ones elsewhere go by pipe().
    const binary = args.findIndex((arg) => typeof arg !== 'string')
    if (binary >= 0 && binary !== args.length - 1) throw new Error('only the last argument may be bytes')
    const texts = args.filter((arg): arg is string => typeof arg === 'string')
    const password = this.#options.password
    const env = password === undefined ? process.env : { ...process.env, REDISCLI_AUTH: password }
    const child = execFile(
      'redis-cli',
      ['-e', '-p', String(this.port), ...(binary >= 0 ? ['-x'] : []), ...texts],
      { env, maxBuffer: 1 << 30 },
    )
    let stdout = ''
    let stderr = ''
    child.stdout?.on('data', (text: string) => (stdout += text))
    child.stderr?.on('data', (text: string) => (stderr += text))
    child.stdin?.end(binary >= 0 ? args[binary] : undefined)
    const [status] = (await once(child, 'close')) as [number | null]
    if (status !== 0) throw new Error(`redis-cli ${texts[0]}: ${stdout}${stderr}`)
    return stdout.replace(/\n$/, '')
  }

  async pipe(bytes: string | Buffer): Promise<void> {
    const end = `relay-lab-${Math.random().toString(36).slice(2)}`
    const socket = connect(this.port, '127.0.0.1')
    const password = this.#options.password
    if (password !== undefined) socket.write(`*2\r\n$4\r\nAUTH\r\n$${password.length}\r\n${password}\r\n`)
    socket.write(bytes)
    socket.write(`*2\r\n$4\r\nECHO\r\n$${end.length}\r\n${end}\r\n`)
    let seen = ''
    for await (const chunk of socket) {
      seen = (seen + (chunk as Buffer).toString('latin1')).slice(-65_536)
      if (/^-/.test(seen) || /\r\n-/.test(seen)) {
        socket.destroy()
        throw new Error(`redis answered: ${/(?:^|\r\n)(-[^\r]*)/.exec(seen)?.[1]}`)
      }
      if (seen.includes(end)) break
    }
    socket.destroy()
  }

  async stop(how: 'save' | 'nosave' = 'nosave'): Promise<void> {
    if (this.#ended()) return
    const closed = once(this.#child, 'exit')
    await this.cli('shutdown', how).catch(() => undefined)
    await closed
  }

  async kill(): Promise<void> {
    if (this.#ended()) return
    const closed = once(this.#child, 'exit')
    // A child that saves would go on without its server.
    const children = await readFile(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8').catch(() => '')
    this.#child.kill('SIGKILL')
    for (const pid of children.split(' ').filter((text) => text.trim() !== '')) {
      try {
        process.kill(Number(pid), 'SIGKILL')
      } catch {
        // It has ended.
      }
    }
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    if (this.#made !== undefined && existsSync(this.#made)) await rm(this.#made, { recursive: true })
  }

  #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }
}

/** RESP of one command: for {@link LabRedis.pipe}, binary-safe. */
export function resp(...args: (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)]
  for (const arg of args) {
    const bytes = typeof arg === 'string' ? Buffer.from(arg) : arg
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(parts)
}

/** The first answer to a PING, or undefined when nobody listens. */
async function ask(port: number, password: string | undefined): Promise<string | undefined> {
  const socket = connect(port, '127.0.0.1')
  try {
    if (password !== undefined) socket.write(resp('AUTH', password))
    socket.write(resp('PING'))
    const [data] = (await once(socket, 'data')) as [Buffer]
    return data.toString('latin1')
  } catch {
    return undefined
  } finally {
    socket.destroy()
  }
}
