import { serverOfHost, serversInContainers } from '../database/propose.ts'
import type { KindDiscovery } from '../kind.ts'

const CONTAINERS = {
  kind: 'postgres',
  image: /^(postgres(ql)?|postgis|pgvector|timescaledb(-ha)?|pgvecto-rs|postgresql-repmgr)$/,
  data: /postgres|pgdata/i,
}
const PROGRAM = 'postgres'

/** How servers of PostgreSQL are found: in containers by their image, on the server itself by their program. */
export const postgresDiscovery: KindDiscovery = {
  programs: [PROGRAM],
  propose: (found) => [
    ...serversInContainers(found, CONTAINERS),
    ...(found.programs.some(({ name }) => name === PROGRAM)
      ? [serverOfHost('postgres', '127.0.0.1:5432')]
      : []),
  ],
}
