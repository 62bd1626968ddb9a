import { randomBytes } from 'node:crypto'
import { SourceError } from '../../../errors.ts'
import { decodeText, fieldsOf } from '../../../model/talk.ts'
import type { Lease } from '../../../remote/contract.ts'
import type { Session } from '../talk/session.ts'
import { nameOf, refusal } from '../failures.ts'
import { readAccess } from './read-access.ts'

/** The append-only files, linked aside on the server while Redis does not rewrite them. Disposing it puts everything back. */
export interface PinnedAof extends AsyncDisposable {
  /** Absolute; the files are in `<tree>/<member>/<name>`. */
  readonly tree: string
  readonly bytes: number
  /** Puts everything back and says what could not be. Idempotent. */
  release(): Promise<void>
}

const POLL = 1

/**
 * Keeps Redis from rewriting its AOF and links its files aside, under a lease. `name` is the directory of a
 * multi-part AOF, or the single file. Throws SourceError.
 */
export async function pinAof(session: Session, directory: string, name: string): Promise<PinnedAof> {
  const { context, location } = session
  const lease = await context.host.lease(
    {
      script: 'sources/redis/aof',
      patience: 'work',
      args: [
        ...session.server,
        ...[directory, randomBytes(6).toString('hex'), location.member, name, String(POLL)],
      ],
      privilege: context.privilege,
      title: 'pinning the AOF of Redis on the server',
    },
    { firstLines: session.lines, signal: context.signal },
  )
  try {
    for (;;) {
      const line = await lease.nextLine(context.signal)
      if (line === undefined) {
        const exit = await lease.release()
        throw new SourceError('redis-aof-hold', 'Pinning the AOF on the server was cut off', {
          exitStatus: exit.status,
          stderr: exit.stderr,
          next: 'Pull again.',
        })
      }
      const [word, first = '', second] = fieldsOf(line)
      if (word === 'wait') context.step(`waiting for ${first}`)
      if (word === 'failed') throw failure(session, first, second ?? '')
      if (word === 'ready') return new Pinned(session, lease, decodeText(second), Number(first) * 1024)
    }
  } catch (error) {
    await lease[Symbol.asyncDispose]()
    throw error
  }
}

class Pinned implements PinnedAof {
  readonly #session: Session
  readonly #lease: Lease
  readonly tree: string
  readonly bytes: number
  #released: Promise<void> | undefined

  constructor(session: Session, lease: Lease, tree: string, bytes: number) {
    this.#session = session
    this.#lease = lease
    this.tree = tree
    this.bytes = bytes
  }

  release(): Promise<void> {
    this.#released ??= this.#release()
    return this.#released
  }

  async #release(): Promise<void> {
    const { context, config } = this.#session
    const exit = await this.#lease.release()
    const lines: string[] = []
    for (;;) {
      const line = await this.#lease.nextLine(AbortSignal.timeout(5000)).catch(() => undefined)
      if (line === undefined) break
      lines.push(line)
    }
    const kept = lines.map(fieldsOf).find(([word]) => word === 'kept')
    if (kept !== undefined || exit.status !== 0) {
      context.notice({
        code: 'redis-setting-kept',
        message: `${nameOf(config)} may still have auto-aof-rewrite-percentage 0: ${kept?.[1] ?? 'the script on the server was cut off'}`,
        next: 'The next pull puts it back; at once it is done by redis-cli CONFIG SET auto-aof-rewrite-percentage 100.',
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release().catch(() => {})
    await this.#lease[Symbol.asyncDispose]()
  }
}

function failure(session: Session, code: string, text: string): SourceError {
  const redis = nameOf(session.config)
  switch (code) {
    case 'link':
      return new SourceError(
        'redis-aof-link',
        `uid ${session.context.probe.uid} can't pin the append-only files: hard links in ${session.location.directory} are not permitted`,
        {
          stderr: text,
          next: session.context.privilege
            ? readAccess(session)
            : 'Set `sudo: true` for this host, or connect as the user that Redis runs as: only the owner may link its files (fs.protected_hardlinks). `capture: rdb` needs no links.',
        },
      )
    case 'absent':
      return new SourceError('redis-aof-absent', `${redis} has no append-only files at ${text}`, {
        next: 'Set `capture: rdb` for this source, or turn on appendonly in Redis.',
      })
    case 'rewritten':
    case 'stalled':
      return new SourceError('redis-aof-rewrites', `${redis} keeps rewriting its AOF: ${text}`, {
        next: 'Look on the server who calls BGREWRITEAOF (redis-cli INFO persistence), then pull again.',
      })
    default:
      return refusal(session.config, 'pin the AOF (CONFIG SET auto-aof-rewrite-percentage)', text)
  }
}
