import type { RedisSourceConfig } from '../../../model/config.ts'
import { printable } from '../../../model/path-bytes.ts'
import type { RestoreContext } from '../../contract.ts'
import type { Argument, RedisConnection, Reply } from '../talk/connection.ts'
import { accepted, connectRedis, demand } from '../talk/connect.ts'
import { restoreSession } from '../restore/look.ts'
import { fingerprint } from './fingerprint.ts'
import { readJournal } from './journal.ts'
import type { AddedKey } from './journal.ts'

/** The result of taking a merge back. */
export interface UnmergeResult {
  readonly removed: number
  /** Keys that were changed since; they stay. */
  readonly changed: number
  /** The first of them, printable, with their database: `db0 session:1`. */
  readonly changedKeys: readonly string[]
  /** Keys that were gone already. */
  readonly gone: number
}

const LISTED = 20
/** Keys looked at in one go; their values come back to be compared. */
const GROUP_KEYS = 100
/** An expiry that differs by more was set by somebody else, in ms. */
const EXPIRY_TOLERANCE = 2000

/**
 * Removes the keys that a merge has added, by its journal, where they are still as they were added: a key that
 * changes under our eyes stays (WATCH). Safe to repeat. Throws SourceError when Redis refuses.
 */
export async function unmergeRedis(
  context: RestoreContext,
  config: RedisSourceConfig,
  journalPath: string,
): Promise<UnmergeResult> {
  const tally = { removed: 0, changed: 0, changedKeys: [] as string[], gone: 0 }
  const journal = readJournal(context, journalPath)
  try {
    let next = await journal.next()
    while (next.done !== true && next.value.length === 0) next = await journal.next()
    // A restore that merged nothing is undone without Redis, because Redis may not run.
    if (next.done === true) return tally
    await using client = await connectRedis(await restoreSession(context, config))
    for (; next.done !== true; next = await journal.next()) {
      const keys = next.value
      for (let at = 0; at < keys.length; at += GROUP_KEYS) {
        await removeUnchanged(client, config, keys.slice(at, at + GROUP_KEYS), tally)
        context.step(`removing keys that were added: ${tally.removed} removed`)
      }
    }
  } catch (error) {
    context.signal.throwIfAborted()
    throw error
  } finally {
    await journal.return(undefined)
  }
  return tally
}

interface Tally {
  removed: number
  changed: number
  readonly changedKeys: string[]
  gone: number
}

async function removeUnchanged(
  client: RedisConnection,
  config: RedisSourceConfig,
  keys: readonly AddedKey[],
  tally: Tally,
): Promise<void> {
  const [first] = keys
  if (first === undefined) return
  const ask = (...args: readonly Argument[]): Promise<Reply> => demand(client, config, 'remove keys', ...args)
  await ask('SELECT', String(first.database))
  await ask('WATCH', ...keys.map(({ key }) => key))
  const time = (await ask('TIME')) as readonly [Buffer, Buffer]
  const now = Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1000)
  const replies = await client.askAll(
    keys.flatMap(({ key }): readonly (readonly Argument[])[] => [
      ['PTTL', key],
      ['DUMP', key],
    ]),
  )
  const seen = keys.map((added, at) => {
    const left = Number(accepted(replies[2 * at] ?? null, config, 'look at keys'))
    const payload = accepted(replies[2 * at + 1] ?? null, config, 'look at keys')
    if (!Buffer.isBuffer(payload)) return { added, is: 'gone' as const }
    const expiresAt = left === -1 ? 0 : now + left
    const same =
      fingerprint(payload) === added.fingerprint &&
      (expiresAt === 0) === (added.expiresAt === 0) &&
      Math.abs(expiresAt - added.expiresAt) <= EXPIRY_TOLERANCE
    return { added, is: same ? ('same' as const) : ('changed' as const) }
  })
  const same = seen.filter(({ is }) => is === 'same')
  if (same.length === 0) {
    await ask('UNWATCH')
  } else {
    await ask('MULTI')
    await ask('UNLINK', ...same.map(({ added }) => added.key))
    if ((await ask('EXEC')) === null) {
      // One of the keys was touched in between. One by one, the others can still be removed.
      if (keys.length > 1) {
        for (const key of keys) await removeUnchanged(client, config, [key], tally)
        return
      }
      return removeUnchanged(client, config, keys, tally)
    }
  }
  tally.removed += same.length
  for (const { added, is } of seen) {
    if (is === 'gone') tally.gone += 1
    if (is !== 'changed') continue
    tally.changed += 1
    if (tally.changedKeys.length < LISTED)
      tally.changedKeys.push(`db${added.database} ${printable(added.key)}`)
  }
}
