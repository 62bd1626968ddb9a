import type { Duplex } from 'node:stream'
import type { Client, ClientChannel, SFTPWrapper } from 'ssh2'
import { ConnectionError, RemoteError, SEE_CHECK } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import { ChannelSlots } from './channel-slots.ts'
import type { RemoteCommand } from './contract.ts'
import { silentError, tooLongError } from './limits.ts'
import type { Limits } from './limits.ts'
import { createProcess } from './remote-process.ts'
import type { SshProcess } from './remote-process.ts'
import type { Connection } from './ssh-client.ts'

/** One SSH connection and the sessions that it carries. */
export class SshLink {
  readonly slots: ChannelSlots
  readonly #host: string
  readonly #client: Client
  readonly #connection: Connection
  readonly #limits: Limits
  readonly #processes = new Set<SshProcess>()
  #served = false
  #closed = false
  #cause: Error | undefined

  constructor(host: string, connection: Connection, sessions: number, limits: Limits) {
    this.slots = new ChannelSlots(sessions)
    this.#host = host
    const { client } = connection
    this.#connection = connection
    this.#client = client
    this.#limits = limits
    // Each channel that is being opened waits for the connection's end, too.
    client.setMaxListeners(0)
    client.on('error', (error) => (this.#cause = error))
    client.once('close', () => {
      this.#closed = true
      for (const process of this.#processes) process.connectionLost()
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  /** True when this connection has opened a session before. */
  get served(): boolean {
    return this.#served
  }

  /** Runs a command line in a slot that is ours; the slot is given back when the session is closed. */
  exec(
    line: string,
    command: RemoteCommand,
    options: {
      /** Ends the waiting until the server has taken the command. */
      readonly opening: AbortSignal
      /** Ends the process from then on. */
      readonly signal: AbortSignal
      readonly leased: boolean
    },
  ): Promise<SshProcess> {
    return this.#ask<ClientChannel, SshProcess>(
      (done) => this.#client.exec(line, done),
      (late) => late.close(),
      { command, signal: options.opening },
      // The process is made at once, because the status and end of a short command may come in the same packet as the
      // answer to exec.
      (channel) => this.#track(channel, command, options),
    )
  }

  /** Opens an SFTP session in a slot that is ours. */
  sftp(signal: AbortSignal): Promise<SFTPWrapper> {
    return this.#ask<SFTPWrapper>(
      (done) => this.#client.sftp(done),
      (late) => late.end(),
      { signal },
      (sftp) => {
        sftp.once('close', () => this.slots.release())
        return sftp
      },
    )
  }

  /** See `RemoteHost.connectTcp`. */
  async connectTcp(address: string, port: number, signal: AbortSignal): Promise<Duplex> {
    try {
      return await this.#ask<ClientChannel>(
        (done) => this.#client.forwardOut('127.0.0.1', 0, address, port, done),
        (late) => late.close(),
        { signal },
        (channel) => {
          channel.on('error', () => {})
          // When the other side has ended, our side ends, too, as a socket's does. Not every version of Node's streams
          // does that.
          channel.once('end', () => channel.end())
          const cut = () => channel.destroy()
          signal.addEventListener('abort', cut, { once: true })
          channel.once('close', () => signal.removeEventListener('abort', cut))
          return channel
        },
      )
    } catch (error) {
      if (signal.aborted || error instanceof RemoteError || error instanceof ConnectionError) throw error
      throw new RemoteError(
        isRefused(error as Error) ? 'tcp-refused' : 'tcp-failed',
        `The server can't connect to ${address} port ${port}: ${printable((error as Error).message)}`,
        { host: this.#host },
      )
    }
  }

  lost(command?: RemoteCommand): ConnectionError {
    const during = command === undefined ? '' : ` during ${command.title ?? command.script}`
    const why = this.#cause === undefined ? '' : `: ${printable(this.#cause.message)}`
    return new ConnectionError('lost', `The connection was lost${during}${why}`, {
      host: this.#host,
      next: `Check the network and that the server is still up, then run the command again.${SEE_CHECK}`,
      cause: this.#cause,
    })
  }

  async end(): Promise<void> {
    if (!this.#closed) await this.#connection.end()
  }

  #track(
    channel: ClientChannel,
    command: RemoteCommand,
    { signal, leased }: { readonly signal: AbortSignal; readonly leased: boolean },
  ): SshProcess {
    this.#served = true
    const { silence, end, close } = this.#limits
    const process = createProcess(channel, {
      signal,
      limits: { silence: leased ? undefined : silence[command.patience ?? 'ask'], end, close },
      lost: () => this.lost(command),
      silent: (ms) => silentError(this.#host, command, ms),
      tooLong: () => tooLongError(this.#host, command),
    })
    this.#processes.add(process)
    channel.once('close', () => {
      this.#processes.delete(process)
      this.slots.release()
    })
    return process
  }

  /** A bounded wait for a request that opens something. `late` closes what is opened after the bound. */
  #ask<C, T = C>(
    request: (done: (error: Error | undefined, opened: C) => void) => unknown,
    late: (opened: C) => void,
    { command, signal }: { readonly command?: RemoteCommand; readonly signal: AbortSignal },
    take: (opened: C) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error)
      if (this.#closed) return reject(this.lost(command))
      const { accept } = this.#limits
      let over = false
      const end = (error?: Error) => {
        over = true
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
        this.#client.off('close', closed)
        if (error !== undefined) reject(error)
      }
      const abort = () => end(signal.reason as Error)
      const closed = () => end(this.lost(command))
      const timer = setTimeout(() => end(silentError(this.#host, command, accept)), accept)
      signal.addEventListener('abort', abort, { once: true })
      this.#client.once('close', closed)
      request((error, opened) => {
        if (over) {
          if (error === undefined || error === null) late(opened)
          return
        }
        if (error === undefined || error === null) {
          end()
          resolve(take(opened))
        } else end(this.#closed ? this.lost(command) : error)
      })
    })
  }
}

/** ssh2's own words for SSH_MSG_CHANNEL_OPEN_FAILURE and for a refused exec request. */
export function isRefusedSession(error: unknown): error is Error {
  return error instanceof Error && /channel open failure|unable to exec/i.test(error.message)
}

/**
 * A connection that was tried and refused: SSH_OPEN_CONNECT_FAILED (RFC 4254 section 5.1). OpenSSH and Dropbear say
 * why in words, ssh2's own server has none.
 */
function isRefused(error: Error & { readonly reason?: unknown }): boolean {
  return error.reason === 2 && /refused|failure: $/i.test(error.message)
}
