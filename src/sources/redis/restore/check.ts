import { RelayError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../config.ts'
import type { RedisFacts } from '../facts.ts'
import type { Finding } from '../../../model/finding.ts'
import { formatCount, formatSize } from '../../../model/units.ts'
import { versionOfInfo } from '../version.ts'
import type { RestoreContext } from '../../contract.ts'
import { accepted, connectRedis, demand } from '../talk/connect.ts'
import { ReplyError } from '../talk/connection.ts'
import type { RedisConnection } from '../talk/connection.ts'
import type { Session } from '../talk/session.ts'
import { addressOf, nameOf } from '../failures.ts'
import { parseInfo } from '../talk/inspection.ts'
import { nap } from '../talk/nap.ts'
import { compareKeys, expectedKeys, parseKeyspace } from './compare.ts'
import { evictionNote } from '../memory.ts'
import { noCli } from './preflight.ts'
import { lookAtTarget, restoreSession } from './look.ts'

/** s */
const STALL = 60

/**
 * Compares the Redis that was started with the facts of the snapshot. A start in which nothing moves for `stall`
 * seconds is given up.
 */
export async function checkRedis(
  context: RestoreContext,
  config: RedisSourceConfig,
  facts: RedisFacts,
  stall = STALL,
): Promise<readonly Finding[]> {
  const session = await restoreSession(context, config)
  const up = await waitUntilUp(session, stall)
  if (up === undefined) {
    return [noCli('The server has no redis-cli: what was restored was not compared with its facts')]
  }
  if (typeof up === 'string') {
    return [
      {
        check: 'redis-up',
        outcome: 'failed',
        message: `${nameOf(config)} does not come up: ${up}`,
        next: 'Look into the log of Redis on the server.',
      },
    ]
  }
  const appendonly = up.get('aof_enabled') === '1'
  // How it starts from now on, which is no guess any more.
  const { start } = await lookAtTarget({ ...context, renews: false }, config, facts, session)
  return [
    {
      check: 'redis-up',
      outcome: 'ok',
      message: `Redis ${versionOfInfo(up)?.name ?? ''} at ${addressOf(config)} is up`,
    },
    keysFinding(facts, appendonly, up, context.renews === true),
    ...savingFindings(up),
    ...startFinding(appendonly, start.appendonly),
  ]
}

function keysFinding(
  facts: RedisFacts,
  appendonly: boolean,
  up: ReadonlyMap<string, string>,
  renewed: boolean,
): Finding {
  const expected = expectedKeys(facts, appendonly)
  const actual = parseKeyspace(up)
  if (expected === undefined) {
    const keys = actual.reduce((sum, database) => sum + database.keys, 0)
    return {
      check: 'redis-keys',
      outcome: 'warning',
      message: `${formatCount(keys, 'key')}; those of the captured AOF could not be counted, so nothing is compared`,
    }
  }
  const compared = compareKeys(expected, actual)
  const eviction = compared.outcome === 'ok' ? undefined : evictionNote(up)
  const finding =
    eviction === undefined
      ? compared
      : {
          ...compared,
          message: `${compared.message}; ${eviction}`,
          next: 'Raise maxmemory of that Redis until the snapshot fits, then restore again.',
        }
  if (finding.outcome === 'ok' || actual.length > 0) return finding
  return {
    ...finding,
    next: `It started with appendonly ${appendonly ? 'yes' : 'no'}, and found nothing. ${
      renewed
        ? 'Restore its Compose file first and Redis by itself then, each with --source.'
        : 'If that is not how it started before, restore again.'
    }`,
  }
}

/** Redis should run as it will start the next time. */
function startFinding(runs: boolean, starts: boolean): readonly Finding[] {
  if (runs === starts) return []
  const [now, then] = [runs, starts].map((on) => (on ? 'yes' : 'no'))
  return [
    {
      check: 'redis-start',
      outcome: 'warning',
      message: `Redis runs with appendonly ${now}, but its config says ${then}`,
      next: 'Make them agree before its next start, or that start loads something else.',
    },
  ]
}

/** A server that can't save refuses writes, or loses them when it ends. */
function savingFindings(info: ReadonlyMap<string, string>): readonly Finding[] {
  const bad = ['rdb_last_bgsave_status', 'aof_last_bgrewrite_status', 'aof_last_write_status'].filter(
    (name) => (info.get(name) ?? 'ok') !== 'ok',
  )
  if (bad.length === 0)
    return [{ check: 'redis-saving', outcome: 'ok', message: 'Redis has no trouble saving' }]
  return [
    {
      check: 'redis-saving',
      outcome: 'failed',
      message: `Redis can't save what it has: ${bad.map((name) => `${name} is ${info.get(name)}`).join(', ')}`,
      next: 'Look into the log of Redis: most often its user may not write to the directory, or the disk is full.',
    },
  ]
}

/**
 * Waits until Redis has loaded, as long as something moves. Returns its INFO, or why it does not come up; undefined
 * without redis-cli.
 */
async function waitUntilUp(
  session: Session,
  stall: number,
): Promise<ReadonlyMap<string, string> | string | undefined> {
  const { context } = session
  let connection: RedisConnection | undefined
  let before: string | undefined
  let moved = performance.now()
  try {
    for (let looks = 1; ; looks += 1) {
      let now: string
      try {
        connection ??= await connectRedis(session)
        const seen = await lookAtStart(session, connection)
        if (typeof seen !== 'string') return seen
        now = seen
      } catch (error) {
        context.signal.throwIfAborted()
        if (!(error instanceof RelayError)) throw error
        if (error.code === 'no-redis-cli') return undefined
        now = error.details.stderr ?? error.message
        if (FINAL.has(error.code)) return now
        await connection?.[Symbol.asyncDispose]()
        connection = undefined
      }
      if (now !== before) moved = performance.now()
      else if (performance.now() - moved >= stall * 1000) return now
      before = now
      await nap(looks <= 20 ? 100 : 1000, context.signal)
    }
  } finally {
    await connection?.[Symbol.asyncDispose]()
  }
}

/** What no waiting mends. */
const FINAL: ReadonlySet<string> = new Set([
  'redis-wrong-password',
  'redis-password-needed',
  'redis-no-permission',
])

/** Its INFO when it is up; else what is to change until then. */
async function lookAtStart(
  { context, config }: Session,
  connection: RedisConnection,
): Promise<ReadonlyMap<string, string> | string> {
  const pong = await connection.ask('PING')
  if (pong instanceof ReplyError && /^LOADING/.test(pong.message)) {
    const fields = parseInfo(String(await demand(connection, config, 'ask for INFO', 'INFO', 'persistence')))
    const [loaded, all] = [fields.get('loading_loaded_bytes'), fields.get('loading_total_bytes')]
    context.step(`Redis is loading: ${formatSize(Number(loaded))} of ${formatSize(Number(all))}`)
    return `loading ${loaded}`
  }
  accepted(pong, config, 'PING it')
  const info = String(await demand(connection, config, 'ask for INFO', 'INFO'))
  return info.startsWith('# ') ? parseInfo(info) : info
}
