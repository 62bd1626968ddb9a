import { SourceError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../config.ts'
import type { RedisFacts } from '../facts.ts'
import type { Finding } from '../../../model/finding.ts'
import type { RestoreContext, RestorePreflight } from '../../contract.ts'
import { nameOf } from '../failures.ts'
import { memoryFindings } from '../memory.ts'
import { checkTargetDirectory, lookAtTarget } from './look.ts'
import type { RestoreLook } from './look.ts'
import { chooseForm } from './plan.ts'
import type { RedisStart } from '../start/next-start.ts'
import { minimumRedis } from '../version.ts'
import { atLeast } from '../../../model/version-order.ts'
import { formatCount } from '../../../model/units.ts'

/** Since when an AOF may begin with an RDB. */
const PREAMBLE_SINCE = '4.0'

/** Findings that speak against restoring these facts onto the target, and how the restore will be done. */
export async function preflightRedis(
  context: RestoreContext,
  config: RedisSourceConfig,
  facts: RedisFacts,
): Promise<RestorePreflight> {
  let look: RestoreLook
  try {
    look = await lookAtTarget(context, config, facts)
  } catch (error) {
    if (!(error instanceof SourceError)) throw error
    const { next } = error.details
    return {
      findings: [{ check: 'redis-reachable', outcome: 'failed', message: error.message, next }],
      notes: [],
    }
  }
  const { start } = look
  return {
    findings: [
      checkTargetDirectory(look),
      ...checkCli(look),
      ...checkVersion(facts, start),
      ...checkForm(facts, start),
      ...checkDatabases(facts, start),
      ...memoryFindings(facts, start.memory),
      ...checkReplica(look, config),
      ...checkModules(facts),
      ...start.findings,
    ],
    notes: [...start.notes, formNote(facts, start)],
  }
}

/** Without redis-cli a Redis that is down is written to all the same. */
function checkCli({ inspection }: RestoreLook): readonly Finding[] {
  if (!inspection.lacksCli) return []
  return [noCli('The server has no redis-cli: what is restored will not be compared with its facts')]
}

/** The finding that Redis can't be asked anything. */
export function noCli(message: string): Finding {
  return {
    check: 'redis-cli',
    outcome: 'warning',
    message,
    next: 'Install it there (Debian, Ubuntu: apt-get install redis-tools; Alpine: apk add redis).',
  }
}

/** An RDB is read by Redis of its own time and later ones. */
export function checkVersion(facts: RedisFacts, start: RedisStart): readonly Finding[] {
  const rdb = Math.max(facts.rdb?.version ?? 0, facts.aof?.base?.version ?? 0)
  if (rdb === 0) return []
  const check = 'redis-version'
  const minimum = minimumRedis(rdb)
  const wrote = facts.serverVersion ?? facts.rdb?.redisVersion ?? facts.aof?.base?.redisVersion
  const snapshot = `the snapshot has RDB version ${rdb}${wrote === undefined ? '' : ` (written by Redis ${wrote})`}`
  if (start.version === undefined) {
    return [
      {
        check,
        outcome: 'warning',
        message: `Which Redis will start there is not known; ${snapshot}, which needs Redis ${minimum ?? 'newer than 8.6'} or later`,
        next: 'Compare it with: redis-server --version',
      },
    ]
  }
  if (minimum === undefined || !atLeast(start.version.redis, minimum)) {
    return [
      {
        check,
        outcome: 'failed',
        message: `Redis ${start.version.name} there is too old: ${snapshot}, which needs Redis ${minimum ?? 'newer than 8.6'} or later`,
        next: `Install Redis ${minimum ?? wrote ?? ''} or later there, then restore again.`,
      },
    ]
  }
  return [{ check, outcome: 'ok', message: `Redis ${start.version.name} reads RDB version ${rdb}` }]
}

function checkForm(facts: RedisFacts, start: RedisStart): readonly Finding[] {
  const chosen = chooseForm(facts, start.appendonly)
  if (chosen === 'aof' && !start.appendonly && start.binary === undefined) {
    return [
      {
        check: 'redis-form',
        outcome: 'failed',
        message:
          'Redis starts without an AOF there, the snapshot has only an AOF, and without redis-server on the host it can not be turned into an RDB',
        next: 'Install redis-server on the host, or set appendonly yes in the config of its Redis.',
      },
    ]
  }
  if (
    chosen === 'rdb' &&
    start.appendonly &&
    start.version &&
    !atLeast(start.version.redis, PREAMBLE_SINCE)
  ) {
    return [
      {
        check: 'redis-form',
        outcome: 'failed',
        message: `Redis ${start.version.name} starts with an AOF there, and before ${PREAMBLE_SINCE} that can not be made from an RDB`,
        next: 'Set appendonly no in its config, restore, then turn it on: redis-cli CONFIG SET appendonly yes',
      },
    ]
  }
  return []
}

/** Redis does not start on data of a database that it does not have. */
function checkDatabases(facts: RedisFacts, { databases }: RedisStart): readonly Finding[] {
  const counted = [...(facts.rdb?.databases ?? []), ...(facts.aof?.base?.databases ?? [])]
  const last = Math.max(-1, ...counted.map(({ database }) => database))
  if (databases === undefined || last < databases) return []
  return [
    {
      check: 'redis-databases',
      outcome: 'failed',
      message: `The snapshot has keys in database ${last}, but Redis there has ${formatCount(databases, 'database')}`,
      next: `Set databases ${last + 1} in its config and start it anew, then restore again.`,
    },
  ]
}

/** A replica throws its data away for its master's. */
function checkReplica({ inspection: { info } }: RestoreLook, config: RedisSourceConfig): readonly Finding[] {
  if (info.get('role') !== 'slave') return []
  return [
    {
      check: 'redis-replica',
      outcome: 'failed',
      message: `${nameOf(config)} is a replica of ${info.get('master_host')}:${info.get('master_port')}: what is restored would be replaced by its master's data`,
      next: 'Restore onto the master, or end the replication in its config: replicaof no one',
    },
  ]
}

function checkModules(facts: RedisFacts): readonly Finding[] {
  const modules = new Set([...(facts.rdb?.modules ?? []), ...(facts.aof?.base?.modules ?? [])])
  if (modules.size === 0) return []
  return [
    {
      check: 'redis-modules',
      outcome: 'warning',
      message: `The snapshot has data of modules: ${[...modules].join(', ')}`,
      next: 'Make sure that Redis there loads them; if it does not, it does not start and the restore is undone.',
    },
  ]
}

/** Which form is written, and why. */
export function formNote(facts: RedisFacts, start: RedisStart): string {
  const chosen = chooseForm(facts, start.appendonly)
  if (chosen === 'nothing')
    return 'Nothing was captured of this Redis but its other files: it will start empty'
  const because = start.configured
    ? `as this source says \`startsWith: ${start.appendonly ? 'aof' : 'rdb'}\`: appendonly`
    : start.told
      ? 'because Redis starts with appendonly'
      : 'as the source had appendonly'
  if (!start.appendonly) {
    return `An RDB is written (${start.dbfilename}), ${because} no${chosen === 'aof' ? '; it is made from the captured AOF' : ''}`
  }
  const multi = start.version === undefined || atLeast(start.version.redis, '7.0')
  const name = multi ? `${start.appenddirname}/${start.appendfilename}.*` : start.appendfilename
  return `An AOF is written (${name}), ${because} yes${chosen === 'rdb' ? '; its base is the captured RDB' : ''}`
}
