import type { Client, ClientChannel, SFTPWrapper } from 'ssh2'
import { ConnectionError, RemoteError } from '../errors.ts'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SshConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { ChannelSlots } from './channel-slots.ts'
import type {
  CommandResult,
  Lease,
  RemoteCommand,
  RemoteFiles,
  RemoteHost,
  RemoteProcess,
} from './contract.ts'
import { openLease, SILENCE_LIMIT } from './lease.ts'
import { createProcess } from './remote-process.ts'
import type { SshProcess } from './remote-process.ts'
import { loadScript, prepareScript } from './scripts.ts'
import { createFiles } from './sftp.ts'
import { connectClient, endClient } from './ssh-client.ts'
import type { ConnectOptions } from './ssh-client.ts'

/** Below OpenSSH's MaxSessions of 10, so that a person's own sessions over the same connection limits still fit. */
const SESSIONS = 8
/** How often a refused session is asked for again before it is taken for a limit, and ms in between. */
const PASSING_REFUSALS = 4
const REFUSAL_PAUSE = 250
const OUTPUT_LIMIT = 64 * 1024 * 1024

/**
 * Connects to a host, checks its key against known_hosts, and logs in. Throws ConnectionError that says what
 * went wrong; an abort rejects with the signal's reason. The signal is for connecting only.
 */
export async function connectSsh(
  host: { readonly name: string; readonly ssh: SshConfig },
  options: ConnectOptions,
): Promise<RemoteHost> {
  return new SshHost(host.name, await connectClient(host, options))
}

class SshHost implements RemoteHost {
  readonly name: string
  readonly #client: Client
  readonly #slots = new ChannelSlots(SESSIONS)
  readonly #processes = new Set<SshProcess>()
  #closed = false
  #cause: Error | undefined

  constructor(name: string, client: Client) {
    this.name = name
    this.#client = client
    client.on('error', (error) => (this.#cause = error))
    client.once('close', () => {
      this.#closed = true
      for (const process of this.#processes) process.connectionLost()
    })
  }

  async run(
    command: RemoteCommand,
    options: { readonly stdin?: Uint8Array; readonly signal: AbortSignal },
  ): Promise<CommandResult> {
    const process = await this.spawn(command, options)
    process.stdin.end(options.stdin ?? new Uint8Array())
    const chunks: Buffer[] = []
    let bytes = 0
    let tooMuch = false
    process.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= OUTPUT_LIMIT) chunks.push(chunk)
      else if (!tooMuch) {
        tooMuch = true
        process.kill()
      }
    })
    const exit = await process.exit.catch((error: unknown) => {
      if (!tooMuch) throw error
      return undefined
    })
    if (tooMuch || exit === undefined) {
      throw new RemoteError('output-too-long', 'A command on the server said more than 64 MiB', {
        host: this.name,
        command: command.title ?? command.script,
      })
    }
    return { ...exit, stdout: Buffer.concat(chunks) }
  }

  spawn(command: RemoteCommand, options: { readonly signal: AbortSignal }): Promise<RemoteProcess> {
    return this.#start(command, { leased: false, ...options })
  }

  async #start(
    command: RemoteCommand,
    options: { readonly leased: boolean; readonly signal: AbortSignal },
  ): Promise<RemoteProcess> {
    const { privilege, args = [] } = command
    const script = await loadScript(command.script)
    const { line, stdin } = await prepareScript(script, args, { privilege, leased: options.leased })
    const process = await this.#open(line, command, options.signal)
    if (this.#closed) process.connectionLost()
    if (stdin !== '') process.stdin.write(stdin)
    return process
  }

  async lease(
    command: RemoteCommand,
    options: { readonly firstLines?: readonly string[]; readonly signal: AbortSignal },
  ): Promise<Lease> {
    // An abort must not cut the lease: what the script changed is undone in order, by its release.
    const process = await this.#start(
      { ...command, args: [String(SILENCE_LIMIT), ...(command.args ?? [])] },
      { leased: true, signal: new AbortController().signal },
    )
    return openLease(process, options.firstLines ?? [])
  }

  connectTcp(address: string, port: number, signal: AbortSignal): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error)
      if (this.#closed) return reject(this.#lost())
      const abort = () => reject(signal.reason as Error)
      signal.addEventListener('abort', abort, { once: true })
      this.#client.forwardOut('127.0.0.1', 0, address, port, (error, channel) => {
        signal.removeEventListener('abort', abort)
        if (error !== undefined) {
          return reject(
            this.#closed
              ? this.#lost()
              : new RemoteError(
                  isRefused(error) ? 'tcp-refused' : 'tcp-failed',
                  `The server can't connect to ${address} port ${port}: ${printable(error.message)}`,
                  { host: this.name },
                ),
          )
        }
        channel.on('error', () => {})
        if (signal.aborted) return channel.close()
        // As a socket does: when the other side has ended, so does ours. Not every version of Node's streams does that.
        channel.once('end', () => channel.end())
        const cut = () => channel.destroy()
        signal.addEventListener('abort', cut, { once: true })
        channel.once('close', () => signal.removeEventListener('abort', cut))
        resolve(channel)
      })
    })
  }

  async openFiles(signal: AbortSignal): Promise<RemoteFiles> {
    await this.#slots.acquire(signal)
    let sftp: SFTPWrapper
    try {
      sftp = await this.#sftp(signal)
    } catch (error) {
      this.#slots.release()
      throw error
    }
    sftp.once('close', () => this.#slots.release())
    return createFiles(sftp, { host: this.name, signal, lost: () => this.#lost() })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    await endClient(this.#client)
  }

  #track(channel: ClientChannel, command: RemoteCommand, signal: AbortSignal): SshProcess {
    const process = createProcess(channel, { signal, lost: () => this.#lost(command) })
    this.#processes.add(process)
    channel.once('close', () => {
      this.#processes.delete(process)
      this.#slots.release()
    })
    return process
  }

  async #open(line: string, command: RemoteCommand, signal: AbortSignal): Promise<SshProcess> {
    for (let attempt = 1; ; attempt += 1) {
      await this.#slots.acquire(signal)
      try {
        return await this.#exec(line, command, signal)
      } catch (error) {
        const refused = !this.#closed && isRefusedSession(error)
        // A busy sshd still counts sessions that have just ended: only a refusal that lasts means fewer slots.
        const passing = refused && attempt <= PASSING_REFUSALS
        const retry = passing || (refused && this.#slots.refused())
        this.#slots.release()
        if (passing) await sleep(REFUSAL_PAUSE, undefined, { signal })
        if (retry) continue
        if (error instanceof Error && isRefusedSession(error) && !this.#closed) {
          throw new RemoteError(
            'session-refused',
            `The server opens no session: ${printable(error.message)}`,
            {
              host: this.name,
              command: command.title ?? command.script,
              next: "Check MaxSessions and ForceCommand in the server's sshd_config",
              cause: error,
            },
          )
        }
        throw error
      }
    }
  }

  #exec(line: string, command: RemoteCommand, signal: AbortSignal): Promise<SshProcess> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#lost(command))
      const abort = () => reject(signal.reason as Error)
      signal.addEventListener('abort', abort, { once: true })
      this.#client.exec(line, (error, channel) => {
        signal.removeEventListener('abort', abort)
        if (error !== undefined) reject(this.#closed ? this.#lost(command) : error)
        else if (signal.aborted) channel.close()
        // At once: a short command's status and end may come in the same packet as the answer to exec.
        else resolve(this.#track(channel, command, signal))
      })
    })
  }

  #sftp(signal: AbortSignal): Promise<SFTPWrapper> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#lost())
      const abort = () => reject(signal.reason as Error)
      const closed = () => reject(this.#lost())
      signal.addEventListener('abort', abort, { once: true })
      this.#client.once('close', closed)
      this.#client.sftp((error, sftp) => {
        signal.removeEventListener('abort', abort)
        this.#client.off('close', closed)
        if (error === undefined && !signal.aborted) return resolve(sftp)
        if (error === undefined) return sftp.end()
        reject(
          this.#closed
            ? this.#lost()
            : new RemoteError('sftp-refused', `The server has no SFTP: ${printable(error.message)}`, {
                host: this.name,
                next: "Check `Subsystem sftp` in the server's sshd_config",
                cause: error,
              }),
        )
      })
    })
  }

  #lost(command?: RemoteCommand): ConnectionError {
    const during = command === undefined ? '' : ` during ${command.title ?? command.script}`
    const why = this.#cause === undefined ? '' : `: ${printable(this.#cause.message)}`
    return new ConnectionError('lost', `The connection was lost${during}${why}`, {
      host: this.name,
      next: 'Check the network and that the server is still up, then run the command again',
      cause: this.#cause,
    })
  }
}

/** ssh2's own words for SSH_MSG_CHANNEL_OPEN_FAILURE and for a refused exec request. */
function isRefusedSession(error: unknown): error is Error {
  return error instanceof Error && /channel open failure|unable to exec/i.test(error.message)
}

/**
 * A connection that was tried and refused: SSH_OPEN_CONNECT_FAILED (RFC 4254 section 5.1). OpenSSH and Dropbear say
 * why in words, ssh2's own server has none.
 */
function isRefused(error: Error & { readonly reason?: unknown }): boolean {
  return error.reason === 2 && /refused|failure: $/i.test(error.message)
}
