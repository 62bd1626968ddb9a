import type { RecordSorter } from '../../../archive/contract.ts'
import { SourceError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../../../model/config.ts'
import { addressOf } from '../failures.ts'
import { ReplyError } from '../talk/connection.ts'
import { RdbWriter, parsePayload } from '../rdb/writer.ts'
import {
  bytesOf,
  chooseExpiryCommand,
  collectKeys,
  damagedPayload,
  dumpKeys,
  listDatabases,
} from './scan-keys.ts'
import type { Connection } from './scan-keys.ts'

/** Of an empty server that tells no version: one that every Redis since 2.6 loads. */
const OLDEST_VERSION = 6

export interface ScanParts {
  readonly config: RedisSourceConfig
  /** As INFO says it; for the AUX field. */
  readonly serverVersion: string | undefined
  /** For the names of one database's keys. */
  readonly createSorter: () => RecordSorter<null>
  readonly step: (text: string) => void
  /** The user may not read the functions; what the server said. */
  readonly onFunctionsRefused: (answer: string) => void
  /** For a node of a cluster: see {@link dumpKeys}. */
  readonly onMoved?: (() => void) | undefined
}

/**
 * The pieces of an RDB that is put together key by key, in constant memory beside the largest value. Every key is as it
 * was at one moment, all of them together are not. Throws SourceError for what the server refuses, and when another
 * server answers in the middle.
 */
export async function* scanRdb(connection: Connection, parts: ScanParts): AsyncGenerator<Buffer> {
  const { config, createSorter, step } = parts
  const writer = new RdbWriter()
  const functions = await readFunctions(connection, parts)
  const expiry = await chooseExpiryCommand(connection)
  let version = functions?.version
  const begin = (known: number): Buffer =>
    Buffer.concat([
      writer.header(
        known,
        new Map(parts.serverVersion === undefined ? [] : [['redis-ver', parts.serverVersion]]),
      ),
      writer.functions(functions?.content ?? Buffer.alloc(0)),
    ])
  if (version !== undefined) yield begin(version)

  for (const database of await listDatabases(connection, config)) {
    step(`listing the keys of database ${database}`)
    await using names = createSorter()
    await collectKeys(connection, config, database, names)
    step(`reading the keys of database ${database}`)
    let selected = false
    for await (const keys of dumpKeys(connection, config, names, expiry, parts.onMoved)) {
      const pieces: Buffer[] = []
      for (const key of keys) {
        if (version === undefined) {
          version = key.version
          pieces.push(begin(version))
        }
        if (key.version !== version) throw replacedServer(config)
        if (!selected) pieces.push(writer.selectDatabase(database))
        selected = true
        pieces.push(writer.key(key.name, key.content, key.expiresAt))
      }
      yield Buffer.concat(pieces)
    }
  }
  if (version === undefined) yield begin(OLDEST_VERSION)
  yield writer.end()
}

/** Undefined before Redis 7.0, which has none, and where they are refused. */
async function readFunctions(
  connection: Connection,
  { config, onFunctionsRefused }: ScanParts,
): Promise<{ readonly version: number; readonly content: Buffer } | undefined> {
  const answer = await connection.ask('FUNCTION', 'DUMP')
  if (answer instanceof ReplyError) {
    if (!/unknown command/i.test(answer.message)) onFunctionsRefused(answer.message)
    return undefined
  }
  const payload = parsePayload(bytesOf(answer, config))
  if (payload === undefined) throw damagedPayload('The functions')
  return payload
}

function replacedServer(config: RedisSourceConfig): SourceError {
  return new SourceError(
    'redis-replaced',
    `Redis at ${addressOf(config)} was replaced by one of another version while it was read`,
    { next: 'Pull again.' },
  )
}
