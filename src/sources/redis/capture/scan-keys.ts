import type { RecordSorter } from '../../../archive/contract.ts'
import { DamageError, SourceError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../../../model/config.ts'
import { printable } from '../../../model/path-bytes.ts'
import { nameOf, refusal } from '../failures.ts'
import { ReplyError } from '../talk/connection.ts'
import type { Reply } from '../talk/connection.ts'
import type { TcpConnection } from '../talk/tcp-connection.ts'
import { parsePayload } from '../rdb/writer.ts'
import type { DumpPayload } from '../rdb/writer.ts'

/** Keys that SCAN is asked for at a time. The server blocks that long: well below a millisecond. */
const SCAN_COUNT = '1000'
/** Keys asked for at a time: as many as bring about so many bytes. */
const BATCH_BYTES = 2 * 1024 * 1024
const MOST_KEYS = 512
/** How often a key is asked for again when its expiry changes all the time. */
const ATTEMPTS = 5

export type Connection = Pick<TcpConnection, 'ask' | 'askAll'>

export interface DumpedKey extends DumpPayload {
  readonly name: Buffer
  /** ms since the epoch; undefined for a key that stays. */
  readonly expiresAt: number | undefined
}

/** The command that tells a key's expiry. */
export interface ExpiryCommand {
  readonly command: 'PEXPIRETIME' | 'PTTL'
  /** The server's clock less ours, in ms. */
  readonly skew: number
}

/** A node of a cluster has given the key to another one. */
const MOVED = /^(?:MOVED|ASK) /

/** What a backup that reads key by key must be allowed. */
export function scanRefusal(config: RedisSourceConfig, answer: string): SourceError {
  const error = refusal(config, 'read its keys by SCAN and DUMP', answer)
  if (error.code !== 'redis-no-permission') return error
  const user = config.username ?? 'default'
  return new SourceError(error.code, error.message, {
    ...error.details,
    next: `Give it either a copy of all: ACL SETUSER ${user} +sync +psync +replconf; or each key: ACL SETUSER ${user} ~* +info +select +scan +dump +pexpiretime +pttl +function|dump`,
  })
}

/** The databases that have keys. */
export async function listDatabases(connection: Connection, config: RedisSourceConfig): Promise<number[]> {
  const text = bytesOf(await connection.ask('INFO', 'keyspace'), config).toString('latin1')
  return [...text.matchAll(/^db(\d+):keys=\d+/gm)].map(([, number]) => Number(number))
}

/** Before Redis 7.0 there is only the time that is left; it is counted from the server's clock. */
export async function chooseExpiryCommand(connection: Connection): Promise<ExpiryCommand> {
  const answer = await connection.ask('PEXPIRETIME', 'relay-backup')
  if (!(answer instanceof ReplyError)) return { command: 'PEXPIRETIME', skew: 0 }
  const time = await connection.ask('TIME')
  const [seconds, micros] = Array.isArray(time) ? time.map((part) => Number(String(part))) : []
  if (seconds === undefined || micros === undefined) return { command: 'PTTL', skew: 0 }
  return { command: 'PTTL', skew: Math.round(seconds * 1000 + micros / 1000) - Date.now() }
}

/** Puts the names of all keys of a database into the sorter; a name may come several times. */
export async function collectKeys(
  connection: Connection,
  config: RedisSourceConfig,
  database: number,
  into: RecordSorter<null>,
): Promise<void> {
  const selected = await connection.ask('SELECT', String(database))
  // A connection begins in database 0.
  if (selected instanceof ReplyError && database !== 0) throw scanRefusal(config, selected.message)
  let cursor = '0'
  do {
    const answer = await connection.ask('SCAN', cursor, 'COUNT', SCAN_COUNT)
    if (answer instanceof ReplyError) throw scanRefusal(config, answer.message)
    const [next, names] = Array.isArray(answer) ? (answer as readonly Reply[]) : []
    if (!Buffer.isBuffer(next) || !Array.isArray(names)) throw notAnAnswer(config)
    cursor = next.toString('latin1')
    for (const name of names as readonly Reply[]) into.add(bytesOf(name, config), null)
  } while (cursor !== '0')
}

/**
 * The keys of the selected database, each once. Those that are gone by now are left out; `onMoved` is told of each that
 * went to another node of the cluster.
 */
export async function* dumpKeys(
  connection: Connection,
  config: RedisSourceConfig,
  names: RecordSorter<null>,
  expiry: ExpiryCommand,
  onMoved: () => void = () => {},
): AsyncGenerator<readonly DumpedKey[]> {
  let batch: Buffer[] = []
  let most = 8
  const ask = async (): Promise<readonly DumpedKey[]> => {
    const dumped = await dumpBatch(connection, config, batch, { ...expiry, onMoved })
    const bytes = dumped.reduce((sum, key) => sum + key.content.length, 0)
    most = Math.max(1, Math.min(MOST_KEYS, most * 2, Math.floor((batch.length * BATCH_BYTES) / (bytes + 1))))
    batch = []
    return dumped
  }
  let last: Buffer | undefined
  for await (const { key } of names.sorted()) {
    // SCAN may tell a key twice when the server's table changes its size meanwhile.
    if (last?.equals(key)) continue
    last = key
    batch.push(key)
    if (batch.length >= most) yield await ask()
  }
  if (batch.length > 0) yield await ask()
}

/**
 * Asks for the expiry before and after the value: when both are the same, it is this value's. A name that was given to
 * another value in between would give that one's expiry to this.
 */
async function dumpBatch(
  connection: Connection,
  config: RedisSourceConfig,
  names: readonly Buffer[],
  expiry: ExpiryCommand & { readonly onMoved: () => void },
  attempt = 1,
): Promise<readonly DumpedKey[]> {
  const answers = await connection.askAll(
    names.flatMap((name) => [
      [expiry.command, name],
      ['DUMP', name],
      [expiry.command, name],
    ]),
  )
  const now = Date.now() + expiry.skew
  const dumped: DumpedKey[] = []
  const again: Buffer[] = []
  names.forEach((name, at) => {
    const [before, value, after] = answers.slice(at * 3, at * 3 + 3)
    for (const answer of [before, value, after]) {
      if (answer instanceof ReplyError && MOVED.test(answer.message)) return expiry.onMoved()
      if (answer instanceof ReplyError) throw scanRefusal(config, answer.message)
    }
    if (value === null || after === -2 || before === -2) return
    if (!Buffer.isBuffer(value) || typeof before !== 'number' || typeof after !== 'number')
      throw notAnAnswer(config)
    if (attempt < ATTEMPTS && !isSame(before, after, expiry)) {
      again.push(name)
      return
    }
    const payload = parsePayload(value)
    if (payload === undefined) throw damagedPayload(`The value of key ${printable(name)}`)
    const expiresAt = after < 0 ? undefined : expiry.command === 'PTTL' ? now + after : after
    dumped.push({ name, ...payload, expiresAt })
  })
  if (again.length === 0) return dumped
  return [...dumped, ...(await dumpBatch(connection, config, again, expiry, attempt + 1))]
}

/** Whether both expiries are of one value: the remaining time shrinks, but it neither grows nor begins nor ends. */
function isSame(before: number, after: number, { command }: ExpiryCommand): boolean {
  if (command === 'PEXPIRETIME') return before === after
  return before < 0 || after < 0 ? before === after : after <= before && before - after < 5000
}

/** The answer as bytes. Throws SourceError for a refusal, and for what is none. */
export function bytesOf(answer: Reply, config: RedisSourceConfig): Buffer {
  if (answer instanceof ReplyError) throw scanRefusal(config, answer.message)
  if (!Buffer.isBuffer(answer)) throw notAnAnswer(config)
  return answer
}

export function damagedPayload(what: string): DamageError {
  return new DamageError('redis-dump', `${what} came with a wrong checksum`, {
    next: 'Pull again. If it comes again, the memory of the server may be at fault.',
  })
}

function notAnAnswer(config: RedisSourceConfig): SourceError {
  return new SourceError('redis-answer', `${nameOf(config)} answers what no Redis does`, {
    next: 'Check that `address` of this source is that of a Redis.',
  })
}
