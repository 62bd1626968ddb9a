import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { PassThrough, pipeline } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { Duplex } from 'node:stream'
import { RemoteError } from '../../src/errors.ts'
import type {
  CommandResult,
  ExitResult,
  HostProbe,
  Lease,
  Patience,
  RemoteCommand,
  RemoteHost,
  RemoteProcess,
} from '../../src/remote/contract.ts'
import { leaseLine } from '../../src/remote/lease.ts'
import { LIMITS } from '../../src/remote/limits.ts'
import { loadScript } from '../../src/remote/scripts.ts'

export interface LocalHostOptions {
  /** The shell that runs the scripts, with its arguments up to `-c`. Default: `['dash']`. */
  readonly shell?: readonly string[]
  /** PATH of the scripts. */
  readonly path?: string
  /** Run as this user; needs root. `sudo` commands run as the test's own user. */
  readonly uid?: number
  readonly gid?: number
  /** Seconds of silence after which a leased script undoes. Default 60. */
  readonly silence?: number
  /** How long, in ms, whatever is asked may be silent. Default: as with SSH. */
  readonly patience?: number
}

/** A RemoteHost that runs the server's scripts on this machine, without SSH. */
export class LocalHost implements RemoteHost {
  readonly name = 'local'
  readonly #options: LocalHostOptions
  /** Processes that were started and have not ended. */
  readonly running = new Set<ChildProcess>()
  readonly #leases: LocalLease[] = []
  /** What was run, in order. */
  readonly commands: RemoteCommand[] = []

  constructor(options: LocalHostOptions = {}) {
    this.#options = options
  }

  async run(
    command: RemoteCommand,
    options: { readonly stdin?: Uint8Array; readonly signal: AbortSignal },
  ): Promise<CommandResult> {
    const child = await this.#start(command, command.args ?? [], options.signal)
    const stdout: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk))
    const stderr = collect(child)
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.stdin)
    const status = await ended(child)
    options.signal.throwIfAborted()
    return { status, stdout: Buffer.concat(stdout), stderr: stderr() }
  }

  async spawn(command: RemoteCommand, options: { readonly signal: AbortSignal }): Promise<RemoteProcess> {
    const child = await this.#start(command, command.args ?? [], options.signal)
    const stderr = collect(child)
    if (child.stdin === null || child.stdout === null) throw new Error('no pipes')
    child.stdin.on('error', () => {})
    // Of its own: what a child has written and nobody read yet is thrown away by Node when the child exits.
    const stdout = new PassThrough()
    pipeline(child.stdout, stdout, () => {})
    stdout.on('error', () => {})
    // As over SSH: the exit comes behind the last byte that is read.
    const read = finished(stdout, { writable: false }).catch(() => {})
    return {
      stdin: child.stdin,
      stdout,
      exit: ended(child).then(async (status) => {
        await read
        return { status, stderr: stderr() }
      }),
      // As sshd does: the channel goes, and no signal comes.
      kill: () => {
        child.stdin?.destroy()
        child.stdout?.destroy()
      },
    }
  }

  async lease(
    command: RemoteCommand,
    options: { readonly firstLines?: readonly string[]; readonly signal: AbortSignal },
  ): Promise<Lease> {
    const silence = this.#options.silence ?? 60
    const child = await this.#start(command, [String(silence), ...(command.args ?? [])], options.signal)
    const lease = new LocalLease(child, options.firstLines ?? [])
    this.#leases.push(lease)
    return lease
  }

  allow(): Promise<void> {
    return Promise.resolve()
  }

  silence(patience: Patience): number {
    return this.#options.patience ?? LIMITS.silence[patience]
  }

  openFiles(): Promise<never> {
    return Promise.reject(new Error('no SFTP here'))
  }

  async connectTcp(address: string, port: number, signal: AbortSignal): Promise<Duplex> {
    const socket = connect(port, address)
    try {
      await once(socket, 'connect', { signal })
    } catch (error) {
      socket.destroy()
      if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') {
        throw new RemoteError('tcp-refused', `nothing listens on port ${port}`)
      }
      signal.throwIfAborted()
      throw new RemoteError('tcp-failed', String(error))
    }
    return socket
  }

  /** Says nothing more to leased scripts, as a network that drops everything. */
  mute(): void {
    for (const lease of this.#leases) lease.mute()
  }

  /** Cuts everything off as a lost connection does: the scripts' stdin and stdout go, and no signal comes. */
  cut(): void {
    for (const child of this.running) {
      child.stdin?.destroy()
      child.stdout?.destroy()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const left = [...this.running]
    this.cut()
    await Promise.all(left.map((child) => once(child, 'close')))
  }

  async #start(command: RemoteCommand, args: readonly string[], signal: AbortSignal): Promise<ChildProcess> {
    signal.throwIfAborted()
    this.commands.push(command)
    const script = await loadScript(command.script)
    const [shell = 'dash', ...shellArgs] = this.#options.shell ?? ['dash']
    const asRoot = command.privilege === 'sudo'
    // The PATH given may not lead to it.
    const child = spawn(
      shell.includes('/') ? shell : `/bin/${shell}`,
      [...shellArgs, '-c', script, 'relay-backup', ...args],
      {
        stdio: 'pipe',
        cwd: '/',
        env: { ...process.env, ...(this.#options.path === undefined ? {} : { PATH: this.#options.path }) },
        ...(this.#options.uid === undefined || asRoot ? {} : { uid: this.#options.uid }),
        ...(this.#options.gid === undefined || asRoot ? {} : { gid: this.#options.gid }),
      },
    )
    this.running.add(child)
    child.once('close', () => this.running.delete(child))
    return child
  }
}

class LocalLease implements Lease {
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  readonly #beat: NodeJS.Timeout
  readonly #exit: Promise<ExitResult>
  #rest = ''
  #ended = false
  #wake: () => void = () => {}
  #released = false

  constructor(child: ChildProcess, firstLines: readonly string[]) {
    this.#child = child
    const stderr = collect(child)
    child.stdin?.on('error', () => {})
    for (const line of firstLines) child.stdin?.write(leaseLine(line))
    this.#beat = setInterval(() => child.stdin?.write('beat\n'), 1000)
    child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (this.#rest + chunk.toString()).split('\n')
      this.#rest = lines.pop() ?? ''
      this.#lines.push(...lines)
      this.#wake()
    })
    this.#exit = ended(child).then((status) => {
      clearInterval(this.#beat)
      this.#ended = true
      this.#wake()
      return { status, stderr: stderr() }
    })
  }

  async nextLine(signal: AbortSignal): Promise<string | undefined> {
    for (;;) {
      signal.throwIfAborted()
      const line = this.#lines.shift()
      if (line !== undefined) return line
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  mute(): void {
    clearInterval(this.#beat)
  }

  send(line: string): void {
    this.#child.stdin?.write(leaseLine(line))
  }

  release(): Promise<ExitResult> {
    if (!this.#released && !this.#ended) this.send('release')
    this.#released = true
    return this.#exit
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }
}

/** What a probe of this machine says, as far as captures need it. */
export function localProbe(
  probe: Partial<HostProbe> & { readonly deployment: string | undefined },
): HostProbe {
  return {
    access: 'shell',
    os: 'Linux',
    kernel: '6',
    arch: 'x86_64',
    uid: process.getuid?.() ?? 0,
    user: 'root',
    home: '/root',
    cpus: 2,
    deploymentWritable: true,
    freeBytes: undefined,
    existing: new Set(),
    tar: 'gnu',
    versions: { tar: '1.34', zstd: '1.5.4', gzip: '1.12' },
    findPrintf: true,
    openJournals: [],
    quiesced: [],
    groups: [],
    ...probe,
  }
}

function collect(child: ChildProcess): () => string {
  const chunks: Buffer[] = []
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString().slice(0, 65_536)
}

/** The exit status, after the pipes were read to their end or cut. */
function ended(child: ChildProcess): Promise<number> {
  const status = (): number => child.exitCode ?? 128 + 9
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => resolve(status()))
  })
}
