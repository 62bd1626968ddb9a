import { ConnectionError, RemoteError } from '../errors.ts'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SshConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { formatCount } from '../model/units.ts'
import type {
  CommandResult,
  Lease,
  Patience,
  RemoteCommand,
  RemoteFiles,
  RemoteHost,
  RemoteProcess,
} from './contract.ts'
import { openLease, SILENCE_LIMIT } from './lease.ts'
import { LIMITS, OUTPUT_LIMIT, silentError, tooLongError } from './limits.ts'
import type { Limits } from './limits.ts'
import { loadScript, prepareScript } from './scripts.ts'
import { createFiles } from './sftp.ts'
import { resolveRoute } from './openssh/resolve.ts'
import { connectClient } from './ssh-client.ts'
import type { Connection, ConnectOptions, Destination } from './ssh-client.ts'
import { isRefusedSession, SshLink } from './ssh-link.ts'

/** Below OpenSSH's MaxSessions of 10, so that a person's own sessions over the same connection limits still fit. */
const SESSIONS = 8
/** How often a refused session is asked for again before it is taken for a limit, and ms in between. */
const PASSING_REFUSALS = 4
const REFUSAL_PAUSE = 250
/** The same, for a connection that can't do with fewer slots. */
const LAST_REFUSALS = 40
/** Connections to one server at most: with `MaxSessions 1` each session needs one of its own. */
const LINKS = 8
/** ms that a session waits for the end of another, before it gets a further connection. */
const TURN_PATIENCE = 500

/** What {@link connectSsh} needs besides the host. */
export interface HostOptions extends ConnectOptions {
  /** Absent: {@link LIMITS}. */
  readonly limits?: Limits
}

/**
 * Connects to a host on the way that OpenSSH would go, checks the key of each server there against known_hosts, and logs
 * in. Throws ConnectionError that says what went wrong; an abort rejects with the signal's reason. The signal is for connecting only.
 *
 * A server that opens fewer sessions on a connection than are needed at once (MaxSessions) gets further connections;
 * each goes through the same check and login.
 */
export async function connectSsh(
  host: { readonly name: string; readonly ssh: SshConfig },
  options: HostOptions,
): Promise<RemoteHost> {
  const { name, ssh } = host
  const route = await resolveRoute(ssh, options).catch((error: unknown) => {
    throw error instanceof ConnectionError ? error.withDetails({ host: name }) : error
  })
  const destination = { name, route }
  return new SshHost(destination, options, await connectClient(destination, options))
}

class SshHost implements RemoteHost {
  readonly name: string
  readonly notHonoured: readonly string[]
  readonly #destination: Destination
  readonly #options: HostOptions
  readonly #limits: Limits
  readonly #links: SshLink[] = []
  /** The most sessions on one connection: fewer than we want, once the server has refused one. */
  #perLink = SESSIONS
  #leases = 0
  #growing: Promise<void> | undefined

  constructor(destination: Destination, options: HostOptions, connection: Connection) {
    this.name = destination.name
    this.notHonoured = destination.route.notHonoured
    this.#destination = destination
    this.#options = options
    this.#limits = options.limits ?? LIMITS
    this.#links.push(new SshLink(this.name, connection, SESSIONS, this.#limits))
  }

  async run(
    command: RemoteCommand,
    options: { readonly stdin?: Uint8Array; readonly signal: AbortSignal },
  ): Promise<CommandResult> {
    const process = await this.spawn(command, options)
    process.stdin.end(options.stdin ?? new Uint8Array())
    const chunks: Buffer[] = []
    let bytes = 0
    process.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= OUTPUT_LIMIT) chunks.push(chunk)
      else process.kill(tooLongError(this.name, command))
    })
    return { ...(await process.exit), stdout: Buffer.concat(chunks) }
  }

  spawn(command: RemoteCommand, options: { readonly signal: AbortSignal }): Promise<RemoteProcess> {
    return this.#start(command, { leased: false, opening: options.signal, signal: options.signal })
  }

  async lease(
    command: RemoteCommand,
    options: { readonly firstLines?: readonly string[]; readonly signal: AbortSignal },
  ): Promise<Lease> {
    const { signal } = options
    const process = await this.#start(
      { ...command, args: [String(SILENCE_LIMIT), ...(command.args ?? [])] },
      // An abort must not cut the lease: the release lets the script undo in order what it has changed.
      { leased: true, opening: signal, signal: new AbortController().signal },
    )
    this.#leases += 1
    const over = () => (this.#leases -= 1)
    process.exit.then(over, over)
    const { silence, release, releaseAfterAbort } = this.#limits
    const undoes = command.patience === 'services' ? 'services' : 'quick'
    return openLease(process, options.firstLines ?? [], {
      silence: silence[command.patience ?? 'ask'],
      release: (stuck) => (stuck || signal.aborted ? releaseAfterAbort : release)[undoes],
      silent: (ms) => silentError(this.name, command, ms),
      tooLong: () => tooLongError(this.name, command),
    })
  }

  async allow(sessions: number, signal: AbortSignal): Promise<void> {
    const command: RemoteCommand = { script: 'remote/session', title: 'opening sessions' }
    const opening = Array.from({ length: sessions }, async () => {
      const process = await this.#start(command, { leased: false, opening: signal, signal })
      // Those that wait for a slot do not get it by the end of one of these.
      this.#leases += 1
      process.stdout.resume()
      return process
    })
    const opened = await Promise.allSettled(opening)
    const ends = opened.flatMap(async (one) => {
      if (one.status === 'rejected') return
      one.value.stdin.end()
      await one.value.exit.catch(() => {})
      this.#leases -= 1
    })
    await Promise.all(ends)
    for (const one of opened) if (one.status === 'rejected') throw one.reason
  }

  silence(patience: Patience): number {
    return this.#limits.silence[patience]
  }

  connectTcp(address: string, port: number, signal: AbortSignal): Promise<Duplex> {
    return this.#first().connectTcp(address, port, signal)
  }

  async openFiles(signal: AbortSignal): Promise<RemoteFiles> {
    const link = await this.#slot(undefined, signal)
    try {
      const sftp = await link.sftp(signal)
      return createFiles(sftp, {
        host: this.name,
        signal,
        lost: () => link.lost(),
        silence: this.#limits.silence.ask,
        silent: (ms) => silentError(this.name, { script: 'sftp', title: 'a request over SFTP' }, ms),
      })
    } catch (error) {
      link.slots.release()
      if (signal.aborted || error instanceof RemoteError || error instanceof ConnectionError) throw error
      throw new RemoteError(
        'sftp-refused',
        `The server has no SFTP: ${printable((error as Error).message)}`,
        {
          host: this.name,
          next: "Check `Subsystem sftp` in the server's sshd_config",
          cause: error,
        },
      )
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#growing?.catch(() => {})
    await Promise.all(this.#links.map((link) => link.end()))
  }

  async #start(
    command: RemoteCommand,
    options: { readonly leased: boolean; readonly opening: AbortSignal; readonly signal: AbortSignal },
  ): Promise<RemoteProcess> {
    const { privilege, args = [] } = command
    const script = await loadScript(command.script)
    const { line, stdin } = await prepareScript(script, args, { privilege, leased: options.leased })
    const process = await this.#open(line, command, options)
    if (stdin !== '') process.stdin.write(stdin)
    return process
  }

  async #open(
    line: string,
    command: RemoteCommand,
    options: { readonly leased: boolean; readonly opening: AbortSignal; readonly signal: AbortSignal },
  ): Promise<RemoteProcess> {
    let refusals = 0
    for (;;) {
      const link = await this.#slot(command, options.opening)
      try {
        return await link.exec(line, command, options)
      } catch (error) {
        const refused = !link.closed && isRefusedSession(error)
        // A busy sshd still counts sessions that have just ended: only a refusal that lasts means fewer slots.
        refusals += 1
        const fewer = refused && refusals > PASSING_REFUSALS && link.slots.refused()
        if (fewer) {
          refusals = 0
          this.#perLink = Math.min(this.#perLink, link.slots.limit)
        }
        // The session is alone on a connection that has opened sessions before, so the sessions that the server still
        // counts are about to end.
        const passing = refused && !fewer && refusals <= (link.served ? LAST_REFUSALS : PASSING_REFUSALS)
        link.slots.release()
        if (passing) await sleep(REFUSAL_PAUSE, undefined, { signal: options.opening })
        if (passing || fewer) continue
        if (isRefusedSession(error) && !link.closed) {
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

  #first(): SshLink {
    const [link] = this.#links
    if (link === undefined) throw new Error('a host without a connection')
    return link
  }

  /**
   * A connection with a slot that is ours. What waits for the end of a lease may wait for itself, so a further
   * connection is made where leases hold all there is, and where the server's limit is small and nothing ends soon.
   */
  async #slot(command: RemoteCommand | undefined, signal: AbortSignal): Promise<SshLink> {
    const deadline = performance.now() + this.#limits.turn
    for (;;) {
      signal.throwIfAborted()
      const open = this.#links.filter((link) => !link.closed)
      // When connections are lost, the first one reports it.
      if (open.length === 0) return this.#takeFirst()
      const free = open.find((link) => link.slots.take())
      if (free !== undefined) return free
      const all = open.reduce((sum, link) => sum + link.slots.limit, 0)
      const mayGrow = this.#links.length < LINKS
      if (mayGrow && all <= this.#leases) {
        await this.#grow(signal)
        continue
      }
      const few = mayGrow && all < SESSIONS
      const turn = await this.#turn(open, few ? TURN_PATIENCE : deadline - performance.now(), signal)
      if (turn !== undefined) return turn
      if (few) await this.#grow(signal)
      else if (performance.now() >= deadline) throw this.#busy(command)
    }
  }

  #takeFirst(): SshLink {
    const link = this.#first()
    link.slots.force()
    return link
  }

  /** The first connection that has a slot for us within so many ms. */
  async #turn(links: readonly SshLink[], ms: number, signal: AbortSignal): Promise<SshLink | undefined> {
    const enough = new AbortController()
    const timer = setTimeout(() => enough.abort(), ms)
    const stop = AbortSignal.any([signal, enough.signal])
    let won: SshLink | undefined
    const waits = links.map(async (link) => {
      await link.slots.acquire(stop)
      if (won === undefined) {
        won = link
        enough.abort()
      } else link.slots.release()
    })
    await Promise.allSettled(waits)
    clearTimeout(timer)
    if (won !== undefined && signal.aborted) (won as SshLink).slots.release()
    signal.throwIfAborted()
    return won
  }

  #grow(signal: AbortSignal): Promise<void> {
    this.#growing ??= (async () => {
      try {
        const connection = await connectClient(this.#destination, { ...this.#options, signal })
        this.#links.push(new SshLink(this.name, connection, this.#perLink, this.#limits))
      } catch (error) {
        if (signal.aborted) throw error
        throw new RemoteError(
          'too-few-sessions',
          `The server opens only ${formatCount(this.#perLink, 'session')} on a connection, and a further connection failed: ${printable((error as Error).message)}`,
          {
            host: this.name,
            next: "Raise MaxSessions in the server's sshd_config, or let this user have several connections",
            cause: error,
          },
        )
      } finally {
        this.#growing = undefined
      }
    })()
    return this.#growing
  }

  #busy(command: RemoteCommand | undefined): RemoteError {
    return new RemoteError('sessions-busy', 'No session on the server has become free for the next step', {
      host: this.name,
      command: command?.title ?? command?.script,
      next: 'Look on the server for what hangs there, then run the command again',
    })
  }
}
