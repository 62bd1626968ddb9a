import type { KindEngine } from '../kind.ts'
import { countCommands } from './aof-commands.ts'
import type { RedisSourceConfig } from './config.ts'
import type { RedisFacts } from './facts.ts'
import { versionOfBinary } from './version.ts'

/** What others must know of the server itself. */
export const redisEngine: KindEngine<RedisSourceConfig, RedisFacts> = {
  place: ({ at }) => at,
  programs: ['redis-server', 'valkey-server'],
  passwordOptions: ['\\b(?:redis|valkey)-cli\\b.*\\s-a\\s+'],
  parseVersion: (said) => {
    const version = versionOfBinary(said)
    return version && { name: version.name, version: version.redis }
  },
  versionCheck: 'redis-version',
  stoppedCode: 'redis-stopped',
  isDurable: ({ stopped, settings }) => stopped || settings['appendonly'] === 'yes',
  savedAt: ({ lastSave }) => lastSave ?? 0,
  // An AOF holds every write that was acknowledged, and an RDB is taken instead only if it is newer than all of it.
  isSaved: (running, { loads, aof, lastSave }, since) => {
    if (running.settings['appendonly'] === 'yes' && aof !== undefined) return true
    return loads === 'rdb' && lastSave !== undefined && lastSave >= Math.floor(since)
  },
  // Which of its files was written last does not say how it starts: what it said while it ran does.
  withTold: (stopped, running) => ({ ...stopped, settings: { ...running.settings, ...stopped.settings } }),
  unsaved: {
    code: 'redis-not-saved',
    next: (host) => `Let hosts.${host}.services.stop save it: redis-cli shutdown save – or turn its AOF on.`,
    durably: 'turn its AOF on',
  },
  log: {
    suffix: '.aof',
    title: 'append-only file',
    countWrites: countCommands,
    replay: 'redis-cli --pipe',
  },
}
