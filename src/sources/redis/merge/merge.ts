import { SourceError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../../../model/config.ts'
import type { RedisFacts } from '../../../model/facts.ts'
import type { Finding } from '../../../model/finding.ts'
import type { RestoreContext, RestorePreflight } from '../../contract.ts'
import { nameOf } from '../failures.ts'
import { ReplyError } from '../talk/connection.ts'
import type { Argument, RedisConnection, Reply } from '../talk/connection.ts'
import { accepted, connectRedis, demand } from '../talk/connect.ts'
import { fingerprint } from './fingerprint.ts'
import { announce, appendJournal, settle } from './journal.ts'
import type { AddedKey } from './journal.ts'
import { mergeMemoryFindings, parseMemory } from '../memory.ts'
import type { MemoryLimit } from '../memory.ts'
import { openScratch } from './scratch.ts'
import { lookAtTarget } from '../restore/look.ts'
import { checkVersion } from '../restore/preflight.ts'
import { parseKeyspace } from '../restore/compare.ts'
import { parseInfo } from '../talk/inspection.ts'
import { rdbVersionOf } from '../../../model/redis-version.ts'

/** The result of a merge. */
export interface MergeResult {
  readonly added: number
  /** Keys that the target had already; they are as they were. */
  readonly existed: number
  readonly databases: readonly { readonly database: number; readonly added: number }[]
}

/** Keys that are looked at in one go. */
const BATCH_KEYS = 500
/** Bytes of values that are held at once. A single value that is larger is held alone. */
const BATCH_BYTES = 8 * 1024 * 1024
/** RESTORE takes an absolute expiry (ABSTTL) since 5.0. */
const OLDEST_RDB_VERSION = 9
/** Settings that decide how a value is written. With the target's own, the scratch server writes it alike. */
const ENCODING_SETTINGS =
  /^(?:(?:hash|zset|set|list)-max-(?:listpack|ziplist|intset)-(?:entries|value|size)|list-compress-depth|stream-node-max-(?:bytes|entries)|hll-sparse-max-bytes|rdbcompression)$/

/** Whether keys can be merged into the target: what is added goes in while it runs. */
export async function preflightMerge(
  context: RestoreContext,
  config: RedisSourceConfig,
  facts: RedisFacts,
): Promise<RestorePreflight> {
  const failed = (check: string, message: string, next?: string): RestorePreflight => ({
    findings: [{ check, outcome: 'failed', message, next }],
    notes: [],
  })
  try {
    const { session, start, inspection } = await lookAtTarget(context, config, facts)
    const redis = nameOf(config)
    if (!start.running) {
      return failed(
        'redis-running',
        `${redis} does not run; keys are merged into a running one`,
        'Start it, or restore with --strategy replace.',
      )
    }
    if (inspection.info.get('role') === 'slave') {
      return failed('redis-replica', `${redis} is a replica and takes no keys`, 'Merge into its master.')
    }
    if (start.binary === undefined) {
      return failed(
        'redis-binary',
        'Merging needs a redis-server on the host, or in the image of Redis, to load the snapshot into',
        'Install it there (Debian, Ubuntu: apt-get install redis-server), then restore again.',
      )
    }
    await using client = await connectRedis(session)
    await demand(client, config, 'be asked', 'PING')
    return {
      findings: [
        ...checkVersion(facts, { ...start, version: start.binary.version }),
        payloadFinding(
          start.version?.redis ?? '0',
          start.version?.name ?? 'of unknown version',
          start.binary.version,
        ),
        ...mergeMemoryFindings(facts, runningLimit(inspection.info), inspection.info),
      ],
      notes: ['Keys that Redis does not have are added with their expiry; keys that it has stay as they are'],
    }
  } catch (error) {
    if (!(error instanceof SourceError)) throw error
    return failed('redis-reachable', error.message, error.details.next)
  }
}

function runningLimit(info: ReadonlyMap<string, string>): MemoryLimit | undefined {
  const bytes = parseMemory(info.get('maxmemory') ?? '')
  return bytes === undefined ? undefined : { bytes, policy: info.get('maxmemory_policy') ?? 'unknown policy' }
}

/** RESTORE refuses what a newer server has dumped. */
function payloadFinding(
  target: string,
  name: string,
  binary: { readonly name: string; readonly redis: string },
): Finding {
  const check = 'redis-payload'
  const [takes, gives] = [rdbVersionOf(target), rdbVersionOf(binary.redis)]
  if (takes >= gives && takes >= OLDEST_RDB_VERSION) {
    return { check, outcome: 'ok', message: `Redis ${name} takes values from redis-server ${binary.name}` }
  }
  return {
    check,
    outcome: 'failed',
    message:
      takes < OLDEST_RDB_VERSION
        ? `Redis ${name} is too old to merge into: that needs 5.0 or later`
        : `Redis ${name} does not take values from the redis-server ${binary.name} on the host`,
    next: 'Update Redis there, or restore with --strategy replace.',
  }
}

/**
 * Adds the keys that the target does not have, with their expiry, and changes no other. What is added is written to
 * the journal on the server (absolute path) before it is added, for {@link unmergeRedis}. The staged directory is used up
 * by it. Throws SourceError when Redis refuses; what was added by then is in the journal.
 */
export async function mergeRedis(
  context: RestoreContext,
  config: RedisSourceConfig,
  facts: RedisFacts,
  staged: string,
  journalPath: string,
): Promise<MergeResult> {
  const { session, start } = await lookAtTarget(context, config, facts)
  if (start.binary === undefined) {
    throw new SourceError('redis-binary', 'Merging needs a redis-server on the host', {
      next: 'Install it there, or restore with --strategy replace.',
    })
  }
  await using target = await connectRedis(session)
  context.step('loading the snapshot into a Redis of its own')
  await using scratch = await openScratch(
    context,
    staged,
    facts,
    start.binary,
    start.version?.redis === start.binary.version.redis ? await encodingSettings(target) : [],
  )
  try {
    return await new Merge(context, config, scratch.client, target, journalPath).run()
  } catch (error) {
    // The reason why we closed the connection says more than the closed connection.
    context.signal.throwIfAborted()
    throw error
  }
}

async function encodingSettings(target: RedisConnection): Promise<readonly string[]> {
  // Not all settings: among them are passwords.
  const patterns = ['*-max-*', 'list-compress-depth', 'rdbcompression']
  const replies = await target.askAll(patterns.map((pattern) => ['CONFIG', 'GET', pattern]))
  const words = replies.flatMap((reply) => (Array.isArray(reply) ? reply.map(String) : []))
  return words.flatMap((name, at) =>
    at % 2 === 0 && ENCODING_SETTINGS.test(name) && /^[\w-]+$/.test(words[at + 1] ?? '')
      ? [`${name} ${words[at + 1]}`]
      : [],
  )
}

interface Value extends AddedKey {
  readonly payload: Buffer
}

class Merge {
  readonly #context: RestoreContext
  readonly #config: RedisSourceConfig
  readonly #scratch: RedisConnection
  readonly #target: RedisConnection
  readonly #journal: string
  #looked = 0
  #added = 0
  #existed = 0

  constructor(
    context: RestoreContext,
    config: RedisSourceConfig,
    scratch: RedisConnection,
    target: RedisConnection,
    journal: string,
  ) {
    this.#context = context
    this.#config = config
    this.#scratch = scratch
    this.#target = target
    this.#journal = journal
  }

  async run(): Promise<MergeResult> {
    const info = await this.#own('INFO', 'keyspace')
    const keyspace = parseKeyspace(parseInfo(String(info)))
    const all = keyspace.reduce((sum, { keys }) => sum + keys, 0)
    const databases: { database: number; added: number }[] = []
    for (const { database } of keyspace) {
      const before = this.#added
      await this.#own('SELECT', String(database))
      await demand(this.#target, this.#config, 'use its databases', 'SELECT', String(database))
      let cursor = '0'
      do {
        const reply = await this.#own('SCAN', cursor, 'COUNT', String(BATCH_KEYS))
        const [next, keys] = reply as [Buffer, readonly Buffer[]]
        cursor = String(next)
        await this.#addMissing(database, unique(keys))
        this.#looked += keys.length
        this.#context.step(
          `merging keys: ${Math.min(this.#looked, all)} of ${all} looked at, ${this.#added} added`,
        )
      } while (cursor !== '0')
      databases.push({ database, added: this.#added - before })
    }
    return { added: this.#added, existed: this.#existed, databases }
  }

  async #addMissing(database: number, keys: readonly Buffer[]): Promise<void> {
    const there = await this.#target.askAll(keys.map((key) => ['EXISTS', key]))
    const missing = keys.filter((_, at) => accepted(there[at] ?? null, this.#config, 'look for keys') === 0)
    this.#existed += keys.length - missing.length
    const sizes = await this.#scratch.askAll(missing.map((key) => ['MEMORY', 'USAGE', key]))
    let group: Buffer[] = []
    let bytes = 0
    for (const [at, key] of missing.entries()) {
      const size = Number(sizes[at] ?? 0)
      if (group.length > 0 && bytes + size > BATCH_BYTES) {
        await this.#add(database, group)
        group = []
        bytes = 0
      }
      group.push(key)
      bytes += size
    }
    if (group.length > 0) await this.#add(database, group)
  }

  async #add(database: number, keys: readonly Buffer[]): Promise<void> {
    const values = await this.#read(database, keys)
    if (values.length === 0) return
    await appendJournal(this.#context, this.#journal, announce(values))
    const replies = await this.#target.askAll(
      values.map(({ key, payload, expiresAt }): readonly Argument[] => [
        'RESTORE',
        key,
        String(expiresAt),
        payload,
        ...(expiresAt === 0 ? [] : ['ABSTTL']),
      ]),
    )
    const refused: Buffer[] = []
    const added: Value[] = []
    let problem: ReplyError | undefined
    for (const [at, value] of values.entries()) {
      const reply = replies[at]
      if (!(reply instanceof ReplyError)) added.push(value)
      else {
        refused.push(value.key)
        // Somebody has made the key in between, so it is not ours.
        if (reply.message.startsWith('BUSYKEY')) this.#existed += 1
        else problem ??= reply
      }
    }
    this.#added += added.length
    const now = await this.#target.askAll(added.map(({ key }) => ['DUMP', key]))
    const changed = added.flatMap(({ key, fingerprint: wanted }, at) => {
      const payload = now[at]
      const print = Buffer.isBuffer(payload) ? fingerprint(payload) : wanted
      return print === wanted ? [] : [{ key, fingerprint: print }]
    })
    await appendJournal(this.#context, this.#journal, settle(changed, refused))
    if (problem !== undefined) accepted(problem, this.#config, 'add keys')
  }

  /** The values as they are in the snapshot; what has expired by now is left out. */
  async #read(database: number, keys: readonly Buffer[]): Promise<readonly Value[]> {
    const time = (await this.#own('TIME')) as readonly [Buffer, Buffer]
    const now = Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1000)
    const replies = await this.#scratch.askAll(
      keys.flatMap((key): readonly (readonly Argument[])[] => [
        ['PTTL', key],
        ['PEXPIRETIME', key],
        ['DUMP', key],
      ]),
    )
    return keys.flatMap((key, at) => {
      const [left, absolute, payload] = replies.slice(3 * at, 3 * at + 3)
      if (!Buffer.isBuffer(payload) || typeof left !== 'number' || left === -2) return []
      return [
        {
          database,
          key,
          payload,
          fingerprint: fingerprint(payload),
          // To the millisecond since 7.0; before, later by as long as the answers took.
          expiresAt: left === -1 ? 0 : typeof absolute === 'number' ? absolute : now + left,
        },
      ]
    })
  }

  /** Our own server must not refuse anything. */
  async #own(...args: readonly Argument[]): Promise<Reply> {
    const reply = await this.#scratch.ask(...args)
    if (reply instanceof ReplyError) throw new Error(`the scratch server answered ${reply.message}`)
    return reply
  }
}

/** SCAN may tell a key twice. */
function unique(keys: readonly Buffer[]): readonly Buffer[] {
  return [...new Map(keys.map((key) => [key.toString('latin1'), key])).values()]
}
