import type { Duplex } from 'node:stream'
import { ConnectionError } from '../../../errors.ts'
import { Conversation, ReplyError } from './connection.ts'
import type { Argument, Bounds, Reply } from './connection.ts'

/** Talks to a Redis in its own protocol (RESP2), binary-safe. Disposing it closes the socket. */
export class TcpConnection extends Conversation {
  readonly #socket: Duplex
  readonly #parser = new ReplyParser()

  constructor(socket: Duplex, bounds: Bounds) {
    super(bounds)
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.heard()
      try {
        for (const reply of this.#parser.feed(chunk)) this.answer(reply)
      } catch (error) {
        this.fail(error instanceof Error ? error : new Error(String(error)))
      }
    })
    const lost = (): void => this.fail(new ConnectionError('lost', 'The connection to Redis was lost'))
    socket.on('error', lost)
    socket.on('close', lost)
    socket.on('end', lost)
  }

  override askAll(commands: readonly (readonly Argument[])[]): Promise<readonly Reply[]> {
    this.#socket.cork()
    const answers = super.askAll(commands)
    this.#socket.uncork()
    return answers
  }

  protected send(args: readonly Argument[], taken: () => void): void {
    this.#socket.write(encode(args), taken)
  }

  protected close(): void {
    this.#socket.destroy()
  }
}

function encode(args: readonly Argument[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)]
  for (const arg of args) {
    const bytes = typeof arg === 'string' ? Buffer.from(arg) : arg
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(parts)
}

/** An answer that is not whole yet. */
const PARTIAL = Symbol('partial')

/** Takes answers out of a stream of bytes. Each is parsed once it is there; big ones are not copied per chunk. */
class ReplyParser {
  #chunks: Buffer[] = []
  #bytes = 0
  /** Before so many bytes nothing new can be whole. */
  #needed = 0
  #buffer: Buffer = Buffer.alloc(0)
  #at = 0

  feed(chunk: Buffer): readonly Reply[] {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#needed) return []
    this.#buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    const replies: Reply[] = []
    let done = 0
    for (;;) {
      this.#at = done
      this.#needed = 0
      const reply = this.#parse()
      if (reply === PARTIAL) break
      replies.push(reply)
      done = this.#at
    }
    const rest = this.#buffer.subarray(done)
    this.#needed = Math.max(0, this.#needed - done)
    this.#chunks = rest.length === 0 ? [] : [Buffer.from(rest)]
    this.#bytes = rest.length
    this.#buffer = Buffer.alloc(0)
    return replies
  }

  #parse(): Reply | typeof PARTIAL {
    const line = this.#line()
    if (line === undefined) return PARTIAL
    const rest = line.slice(1)
    switch (line[0]) {
      case '+':
        return Buffer.from(rest, 'latin1')
      case '-':
        return new ReplyError(rest)
      case ':':
        return Number(rest)
      case '$':
        return this.#bulk(Number(rest))
      case '*':
        return this.#array(Number(rest))
      default:
        throw new ConnectionError('protocol', 'What answers there does not speak the protocol of Redis')
    }
  }

  #bulk(length: number): Reply | typeof PARTIAL {
    if (length < 0) return null
    const end = this.#at + length
    if (this.#buffer.length < end + 2) {
      this.#needed = end + 2
      return PARTIAL
    }
    const bytes = Buffer.from(this.#buffer.subarray(this.#at, end))
    this.#at = end + 2
    return bytes
  }

  #array(length: number): Reply | typeof PARTIAL {
    if (length < 0) return null
    const replies: Reply[] = []
    for (let count = 0; count < length; count += 1) {
      const reply = this.#parse()
      if (reply === PARTIAL) return PARTIAL
      replies.push(reply)
    }
    return replies
  }

  #line(): string | undefined {
    const end = this.#buffer.indexOf('\r\n', this.#at, 'latin1')
    if (end === -1) return undefined
    const line = this.#buffer.toString('latin1', this.#at, end)
    this.#at = end + 2
    return line
  }
}
