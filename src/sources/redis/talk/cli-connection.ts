import { ConnectionError } from '../../../errors.ts'
import type { ExitResult, RemoteProcess } from '../../../remote/contract.ts'
import { parseAnswer, writeCommand } from './cli-text.ts'
import { Conversation, ReplyError } from './connection.ts'
import type { Argument, Bounds } from './connection.ts'

/**
 * An unmatched quote: redis-cli itself answers it, also inside MULTI, so that it tells where an answer ends. (repl in
 * src/redis-cli.c)
 */
const MARK = '"\n'
const MARKED = 'Invalid argument(s)'
/** What redis-cli says where it has no connection; it tries again with the next command. */
const UNREACHED = /^(?:Could not connect to |Could not negotiate a TLS connection: |Error: )/
const DENIED = 'AUTH failed: '
/** redis-cli writes these answers as they are (cliSendCommand in src/redis-cli.c). */
const RAW: ReadonlySet<string> = new Set(['INFO', 'CLUSTER'])

/** How redis-cli is told of. */
export interface CliWords {
  /** What `session.sh` reads first: see redis_open in sources/redis/scripts/lib/redis.sh. */
  readonly input: Buffer
  /** Why there is no connection, by what redis-cli says. */
  readonly unreached: (said: string) => Error
  /** Why it ended while it was asked. */
  readonly ended: (exit: ExitResult, said: string) => Error
}

/** Talks to a Redis through `session.sh`. Disposing it ends the script. */
export class CliConnection extends Conversation {
  readonly #process: RemoteProcess
  readonly #words: CliWords
  #lines: string[] = []
  #rest: string[] = []
  #denied = ''

  constructor(process: RemoteProcess, words: CliWords, bounds: Bounds) {
    super(bounds)
    this.#process = process
    this.#words = words
    process.exit.then(
      (exit) => this.fail(words.ended(exit, [...this.#lines, ...this.#rest].join('\n'))),
      (error: unknown) =>
        this.fail(
          error instanceof Error
            ? error
            : new ConnectionError('lost', 'The connection to Redis was lost', { cause: error }),
        ),
    )
    // Its exit tells why.
    process.stdout.on('error', () => {})
    process.stdout.on('data', (chunk: Buffer) => {
      this.heard()
      this.#take(chunk.toString('latin1'))
    })
    process.stdin.write(words.input)
  }

  protected send(args: readonly Argument[], taken: () => void): void {
    this.#process.stdin.write(`${writeCommand(args)}\n${MARK}`, taken)
  }

  protected close(): void {
    this.#process.stdin.end()
    this.#process.kill()
  }

  #take(text: string): void {
    // A value of many MB comes in many pieces: they are joined once.
    const parts = text.split('\n')
    this.#rest.push(parts[0] ?? '')
    for (const part of parts.slice(1)) {
      this.#line(this.#rest.join(''))
      this.#rest = [part]
    }
  }

  #line(line: string): void {
    if (line.startsWith(DENIED)) this.#denied = line.slice(DENIED.length)
    else if (line === MARKED) this.#settle(this.#lines.splice(0))
    else this.#lines.push(line)
  }

  #settle(lines: readonly string[]): void {
    const first = lines[0] ?? ''
    const isRaw = RAW.has(this.asked ?? '') && !first.startsWith('(error) ') && !UNREACHED.test(first)
    const reply = isRaw ? Buffer.from(lines.join('\n'), 'latin1') : parseAnswer(lines)
    const said = lines.join('\n').slice(0, 2000)
    // A password for a server that has none does no harm. One that is refused does, even where all is answered
    // without one.
    const needsIt = reply instanceof ReplyError && /^NOAUTH/.test(reply.message)
    if (reply !== undefined && this.#denied !== '' && (needsIt || this.#denied.startsWith('WRONGPASS'))) {
      this.answer(new ReplyError(this.#denied))
    } else if (reply !== undefined) this.answer(reply)
    else if (UNREACHED.test(said)) this.refuse(this.#words.unreached(said))
    else {
      this.fail(
        new ConnectionError(
          'protocol',
          `redis-cli on the server does not answer as expected: ${said.replaceAll('\n', ' ').slice(0, 500)}`,
        ),
      )
    }
  }
}
