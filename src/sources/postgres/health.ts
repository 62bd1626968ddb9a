import type { SourceHealth } from '../contract.ts'
import { judgeLoad } from '../health.ts'
import type { PostgresSourceConfig } from './config.ts'
import { findServer } from './server.ts'
import { maintenanceOf, Session } from './session.ts'

/** What is asked in one question; seconds, null where it is not known. */
interface Told {
  readonly connections: number
  readonly most: number
  readonly slowest: number | null
  readonly replica: boolean
}

/** How a PostgreSQL does, as far as the role may know: only members of pg_monitor see the queries of others. */
export const postgresHealth: SourceHealth<PostgresSourceConfig> = {
  ask: async (context, config, limits) => {
    const server = await findServer(context, config)
    const first = config.databases === 'all' ? maintenanceOf(config) : config.databases[0]!
    await using session = await Session.open(server, first, context.signal)
    // Columns of later versions are asked for as JSON: where they are not there, they are null.
    const client = "coalesce(to_jsonb(a) ->> 'backend_type', 'client backend') = 'client backend'"
    const [told] = await session.rows<Told>(
      `select count(*) filter (where ${client}) as connections,
       current_setting('max_connections')::int as most, pg_is_in_recovery() as replica,
       extract(epoch from max(clock_timestamp() - query_start)
         filter (where ${client} and state = 'active' and pid <> pg_backend_pid()))::float as slowest
     from pg_stat_activity a`,
    )
    if (told === undefined) throw new Error('PostgreSQL did not count')
    const [lag] = await session.rows<{ seconds: number | null }>(
      told.replica ? LAG_OF_REPLICA : LAG_OF_PRIMARY,
    )
    const ms = (seconds: number | null | undefined) =>
      (seconds ?? undefined) === undefined ? undefined : Number(seconds) * 1000
    const load = { connections: told.connections, maxConnections: told.most, lag: ms(lag?.seconds) }
    return judgeLoad(server.title, { ...load, slowest: ms(told.slowest) ?? 0 }, limits)
  },
}

/** A primary that writes nothing leaves no replica behind, however long ago it wrote. */
const LAG_OF_REPLICA = `select case when pg_last_wal_receive_lsn() is not distinct from pg_last_wal_replay_lsn() then 0
  else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) end::float as seconds`
const LAG_OF_PRIMARY = 'select max(extract(epoch from replay_lag))::float as seconds from pg_stat_replication'
