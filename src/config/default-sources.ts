import type { SourceConfig } from '../model/config.ts'

/** Where a deployment lies when the config does not say. */
export const DEFAULT_DEPLOYMENT = '~/claude-relay-deployment'

/** Where Redis listens when the config does not say, as seen from the host. */
export const DEFAULT_REDIS_ADDRESS = { address: '127.0.0.1', port: 6379, tls: false } as const

/** The sources of a host that names none. Of these the ones are meant that exist on the server. */
export const DEFAULT_SOURCES: readonly SourceConfig[] = [
  { name: 'redis_data', kind: 'redis', path: 'redis_data', capture: 'rdb', at: DEFAULT_REDIS_ADDRESS },
  { name: 'logs', kind: 'files', paths: ['logs'], exclude: [] },
  { name: 'data', kind: 'files', paths: ['data'], exclude: [] },
  { name: 'config', kind: 'files', paths: ['.env', 'docker-compose.yml'], exclude: [] },
]
