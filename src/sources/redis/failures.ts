import { SourceError } from '../../errors.ts'
import { engineName, placeName } from '../engine-place.ts'
import type { RedisSourceConfig } from './config.ts'

/** The server in a sentence: `Redis at 127.0.0.1:6379`, `Redis of service cache`. */
export function nameOf({ at }: RedisSourceConfig): string {
  return engineName('Redis', at)
}

/** Where it is: `127.0.0.1:6379`, `unix:/run/redis.sock`, `service cache`, `container app_cache_1`. */
export function addressOf({ at }: RedisSourceConfig): string {
  return placeName(at)
}

/** What can be done where CONFIG GET was refused with this answer. */
export function configRefused(config: RedisSourceConfig, answer: string | undefined): string {
  return /^(?:\(error\) )?NOPERM/.test(answer ?? '')
    ? `Let the user of the backup read them: ACL SETUSER ${config.username ?? 'default'} +config|get`
    : 'CONFIG is renamed or disabled there: see to it that `path` of this source is its `dir`, as its config file or its command line says.'
}

/** Where to look for the place that Redis writes to. */
export function whereItWrites(refused: string | undefined): string {
  return refused === undefined
    ? 'Compare redis-cli CONFIG GET dir and CONFIG GET dbfilename with `path` of this source.'
    : 'It does not answer CONFIG GET: compare `dir` and `dbfilename` in its config file and command line, or its working directory (ls -l /proc/PID/cwd), with `path` of this source.'
}

/**
 * Turns an error that Redis (or redis-cli) answered into one with a next step. `doing` completes the sentence
 * "Redis … does not let us": `save`.
 */
export function refusal(config: RedisSourceConfig, doing: string, answer: string): SourceError {
  const redis = nameOf(config)
  const user = config.username ?? 'default'
  const text = answer.replace(/^AUTH failed: /, '').replace(/^\(error\) /, '')
  const said = { stderr: answer.slice(0, 2000) }
  if (/^WRONGPASS|invalid (?:username-)?password/i.test(text)) {
    return new SourceError('redis-wrong-password', `${redis} does not accept the password of user ${user}`, {
      ...said,
      next: 'Check `password` (and `username`) of this source in the config.',
    })
  }
  if (/^NOAUTH/.test(text)) {
    return new SourceError('redis-password-needed', `${redis} wants a password`, {
      ...said,
      next: 'Add `password` to this source in the config.',
    })
  }
  if (/^NOPERM/.test(text)) {
    return new SourceError('redis-no-permission', `${redis} does not let user ${user} ${doing}`, {
      ...said,
      next: `Give it what a backup needs: ACL SETUSER ${user} +ping +info +config|get +config|set +bgsave +sync +psync +replconf`,
    })
  }
  if (/^LOADING/.test(text)) {
    return new SourceError('redis-loading', `${redis} is still loading its data`, {
      ...said,
      next: 'Wait until it has loaded (redis-cli INFO persistence: loading:0), then pull again.',
    })
  }
  if (/^MASTERDOWN/.test(text)) {
    return new SourceError('redis-master-down', `${redis} is a replica that has lost its master`, {
      ...said,
      next: 'Repair the replication, or point this source at the master.',
    })
  }
  if (/^READONLY/.test(text)) {
    return new SourceError('redis-replica', `${redis} is a read-only replica and does not let us ${doing}`, {
      ...said,
      next: 'Point this source at the master.',
    })
  }
  if (/^DENIED/.test(text)) {
    return new SourceError('redis-protected', `${redis} is in protected mode and does not talk to us`, {
      ...said,
      next: 'Set `address: 127.0.0.1:…` for this source, or a password in Redis.',
    })
  }
  if (/unknown command/i.test(text)) {
    return new SourceError(
      'redis-no-command',
      `${redis} has no command to ${doing}: it was renamed or disabled`,
      {
        ...said,
        next: 'Look for rename-command in redis.conf; an ACL user for the backup is the better protection.',
      },
    )
  }
  if (/^OOM/.test(text)) {
    return new SourceError(
      'redis-memory',
      `${redis} has used up its maxmemory and does not let us ${doing}`,
      {
        ...said,
        next: 'Raise maxmemory there (redis-cli CONFIG SET maxmemory BYTES, and in its config), then restore again.',
      },
    )
  }
  if (/^MISCONF/.test(text)) {
    return new SourceError('redis-misconf', `${redis} can't save to its disk and says so itself`, {
      ...said,
      next: 'Look into the log of Redis on the server; most often the disk is full or `dir` is not writable.',
    })
  }
  return new SourceError('redis-refused', `${redis} does not let us ${doing}`, {
    ...said,
    next: 'Try it on the server with redis-cli and look into the log of Redis.',
  })
}
