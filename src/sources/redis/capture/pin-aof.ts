import { randomBytes } from 'node:crypto'
import { SourceError } from '../../../errors.ts'
import { decodeText, fieldsOf } from '../../../model/talk.ts'
import type { ExitResult, Lease } from '../../../remote/contract.ts'
import type { Session } from '../talk/session.ts'
import { nameOf, refusal } from '../failures.ts'
import { connectRedis } from '../talk/connect.ts'
import { ReplyError } from '../talk/connection.ts'
import type { RedisConnection } from '../talk/connection.ts'
import { REWRITES } from '../talk/inspect.ts'
import { waitWhile } from './children.ts'
import type { Fields } from './children.ts'
import { readAccess } from './read-access.ts'

const PIN = `pin the AOF (CONFIG SET ${REWRITES})`

/** The append-only files, linked aside on the server while Redis does not rewrite them. Disposing it puts everything back. */
export interface PinnedAof extends AsyncDisposable {
  /** Absolute; the files are in `<tree>/<member>/<name>`. */
  readonly tree: string
  readonly bytes: number
  /**
   * Why reading the files failed. When the server had lost us before, its script put everything back, and that the
   * links are gone is only what follows of it. Releases.
   */
  why(error: unknown): Promise<unknown>
  /**
   * Puts everything back and says what could not be. Idempotent. Throws SourceError when the server had lost us
   * before: nobody held the files then.
   */
  release(): Promise<void>
}

/** Somebody may ask for rewrites by hand, over and over. */
const MOST_ATTEMPTS = 10
/** The exit status of a script that lost its lease (`remote/scripts/lib/lease.sh`). */
const LEASE_LOST = 91

/**
 * Keeps Redis from rewriting its AOF and links its files aside, under a lease. `name` is the directory of a
 * multi-part AOF, or the single file. Throws SourceError.
 */
export async function pinAof(session: Session, directory: string, name: string): Promise<PinnedAof> {
  const { context, location } = session
  await using connection = await connectRedis(session)
  const percentage = await rewritePercentage(session, connection)
  const lease = await context.host.lease(
    {
      script: 'sources/redis/aof',
      patience: 'work',
      args: [
        ...session.server,
        ...[directory, randomBytes(6).toString('hex'), location.member, name, percentage],
      ],
      privilege: context.privilege,
      title: 'pinning the AOF of Redis on the server',
    },
    { firstLines: session.lines, signal: context.signal },
  )
  try {
    const [changed = ''] = await answer(session, lease, 'pinned')
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt += 1) {
      await waitForRewrites(session, connection)
      lease.send('link')
      const [kib, tree, linked] = await answer(session, lease, 'linked')
      await waitForRewrites(session, connection)
      lease.send('look')
      const [now] = await answer(session, lease, 'generation')
      if (now === linked) return new Pinned(session, lease, changed, decodeText(tree), Number(kib) * 1024)
    }
    throw rewritesGoOn(session, 'one always came in between')
  } catch (error) {
    await lease[Symbol.asyncDispose]()
    throw error
  }
}

/** Empty where the server does not tell: without CONFIG its rewrites go on. */
async function rewritePercentage({ config }: Session, connection: RedisConnection): Promise<string> {
  const reply = await connection.ask('CONFIG', 'GET', REWRITES)
  if (reply instanceof ReplyError) {
    if (/^NOPERM|unknown command/i.test(reply.message)) return ''
    throw refusal(config, PIN, reply.message)
  }
  return Array.isArray(reply) && reply.length === 2 ? String(reply[1]) : ''
}

async function waitForRewrites(session: Session, connection: RedisConnection): Promise<void> {
  const isOne = (fields: Fields): string | undefined =>
    fields.get('aof_rewrite_in_progress') === '1' || fields.get('aof_rewrite_scheduled') === '1'
      ? 'waiting for an AOF rewrite'
      : undefined
  await waitWhile(session, connection, isOne, (text) => rewritesGoOn(session, text))
}

/** The fields of the record that the script says next. Throws SourceError when it says another one. */
async function answer(session: Session, lease: Lease, word: string): Promise<readonly string[]> {
  const line = await lease.nextLine(session.context.signal)
  const [said, ...fields] = line === undefined ? [] : fieldsOf(line)
  if (said === word) return fields
  if (said === 'failed') throw failure(session, fields[0] ?? '', fields[1] ?? '')
  const exit = await lease.release()
  throw cutOff(exit)
}

class Pinned implements PinnedAof {
  readonly #session: Session
  readonly #lease: Lease
  /** What the setting was before it was changed; empty where it was not. */
  readonly #changed: string
  readonly tree: string
  readonly bytes: number
  #released: Promise<void> | undefined

  constructor(session: Session, lease: Lease, changed: string, tree: string, bytes: number) {
    this.#session = session
    this.#lease = lease
    this.#changed = changed
    this.tree = tree
    this.bytes = bytes
  }

  async why(error: unknown): Promise<unknown> {
    try {
      await this.release()
      return error
    } catch (lost) {
      return lost
    }
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
      // Lines that do not come any more are missed in the exit status.
      const line = await this.#lease.nextLine(AbortSignal.timeout(5000)).catch(() => undefined)
      if (line === undefined) break
      lines.push(line)
    }
    const kept = lines.map(fieldsOf).find(([word]) => word === 'kept')
    const cut = exit.status === 0 ? undefined : 'the script on the server was cut off'
    const notice = keptNotice(nameOf(config), this.#changed, kept?.[1] ?? cut)
    if (notice !== undefined) context.notice(notice)
    if (exit.status === LEASE_LOST) throw cutOff(exit)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release().catch(() => {})
    await this.#lease[Symbol.asyncDispose]()
  }
}

/**
 * That a Redis may still have the setting as it was for the time of the capture.
 *
 * @param before what it was before; empty where it was not changed
 * @param why it may not have been put back; undefined where it was
 */
export function keptNotice(redis: string, before: string, why: string | undefined) {
  if (before === '' || why === undefined) return undefined
  return {
    code: 'redis-setting-kept',
    message: `${redis} may still have ${REWRITES} 0: ${why}`,
    next: `The next pull puts it back; at once it is done by redis-cli CONFIG SET ${REWRITES} ${before}.`,
  }
}

function cutOff({ status, stderr }: ExitResult): SourceError {
  return new SourceError('redis-aof-hold', 'Pinning the AOF on the server was cut off', {
    exitStatus: status,
    stderr,
    next: 'Pull again.',
  })
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
    case 'cli':
      return new SourceError(
        'no-redis-cli',
        `The server has no redis-cli, and without it a setting of ${redis} could not be put back when we are gone`,
        {
          next: 'Install it there (Debian, Ubuntu: apt-get install redis-tools; Alpine: apk add redis). `capture: rdb` does without.',
        },
      )
    default:
      return refusal(session.config, PIN, text)
  }
}

function rewritesGoOn({ config }: Session, text: string): SourceError {
  return new SourceError('redis-aof-rewrites', `${nameOf(config)} keeps rewriting its AOF: ${text}`, {
    next: 'Look on the server who calls BGREWRITEAOF (redis-cli INFO persistence), then pull again.',
  })
}
