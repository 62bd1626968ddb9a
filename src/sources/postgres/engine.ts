import type { KindEngine } from '../kind.ts'
import type { PostgresSourceConfig } from './config.ts'
import type { PostgresFacts } from './facts.ts'

/** What others must know of the server itself. */
export const postgresEngine: KindEngine<PostgresSourceConfig, PostgresFacts> = {
  place: ({ at }) => at,
  programs: ['postgres'],
  parseVersion: (said) => {
    const found = /\(PostgreSQL\) (\d[\d.]*)(.*)$/m.exec(said)
    return found?.[1] === undefined
      ? undefined
      : { name: `${found[1]}${found[2] ?? ''}`.trim(), version: found[1] }
  },
  judgeMove: (from, to) => {
    const [old, fresh] = [from, to].map(({ version }) => Number.parseInt(version, 10)) as [number, number]
    return fresh < old ? 'refused' : fresh > old ? 'rehearse' : undefined
  },
  versionCheck: 'postgres-version',
  stoppedCode: 'postgres-stopped',
  // What was committed is in its log before the commit is acknowledged.
  isDurable: () => true,
  savedAt: () => 0,
  isSaved: () => true,
  withTold: (stopped) => stopped,
  unsaved: {
    code: 'postgres-not-saved',
    next: (host) => `Let hosts.${host}.services.stop stop PostgreSQL in order.`,
    durably: 'stop PostgreSQL in order',
  },
}
