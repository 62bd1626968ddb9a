import { ConnectionError } from '../../../errors.ts'
import type { RemoteProcess } from '../../../remote/contract.ts'
import { parseAnswer, writeCommand } from './cli-text.ts'
import type { Argument, RedisConnection, Reply } from './client.ts'

/**
 * An unmatched quote: redis-cli itself answers it, also inside MULTI, so that it tells where an answer ends. (repl in
 * src/redis-cli.c)
 */
const MARK = '"\n'
const MARKED = 'Invalid argument(s)'

interface Waiting {
  /** redis-cli writes this answer as it is (cliSendCommand in src/redis-cli.c). */
  readonly raw: boolean
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

/** Talks to a Redis through `merge-session.sh`. Disposing it ends the script. */
export class CliConnection implements RedisConnection {
  readonly #process: RemoteProcess
  readonly #waiting: Waiting[] = []
  #lines: string[] = []
  #rest: string[] = []
  #failure: Error | undefined

  /** `input` is what the script reads first: see redis_open in sources/redis/scripts/lib/redis.sh. */
  constructor(process: RemoteProcess, input: Buffer) {
    this.#process = process
    const lost = (): void => this.#fail(new ConnectionError('lost', 'The connection to Redis was lost'))
    process.exit.then(lost, lost)
    process.stdin.on('error', lost)
    process.stdout.on('data', (chunk: Buffer) => this.#take(chunk.toString('latin1')))
    process.stdin.write(input)
  }

  async ask(...args: readonly Argument[]): Promise<Reply> {
    if (this.#failure !== undefined) throw this.#failure
    const raw = args[0] === 'INFO'
    const answer = new Promise<Reply>((resolve, reject) => this.#waiting.push({ raw, resolve, reject }))
    this.#process.stdin.write(`${writeCommand(args)}\n${MARK}`)
    return answer
  }

  async askAll(commands: readonly (readonly Argument[])[]): Promise<readonly Reply[]> {
    return Promise.all(commands.map((command) => this.ask(...command)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new ConnectionError('lost', 'The connection to Redis was closed'))
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
    if (line !== MARKED) {
      this.#lines.push(line)
      return
    }
    const lines = this.#lines
    this.#lines = []
    const isRaw = this.#waiting[0]?.raw === true && lines[0]?.startsWith('(error) ') === false
    const reply = isRaw ? Buffer.from(lines.join('\n'), 'latin1') : parseAnswer(lines)
    if (reply !== undefined) this.#waiting.shift()?.resolve(reply)
    else {
      const said = lines.join(' ').slice(0, 500)
      this.#fail(
        new ConnectionError('protocol', `redis-cli on the server does not answer as expected: ${said}`),
      )
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
  }
}
