import { SourceError } from '../../errors.ts'
import { atLeast } from '../../model/version-order.ts'
import type { SourceHealth } from '../contract.ts'
import { judgeLoad, type ServerLoad } from '../health.ts'
import type { MysqlSourceConfig } from './config.ts'
import { findServer, type Server } from './server.ts'
import { Session } from './session.ts'
import { parseServerVersion } from './version.ts'

/** How a server of MySQL or MariaDB does, as far as the account may know. */
export const mysqlHealth: SourceHealth<MysqlSourceConfig> = {
  ask: async (context, config, limits) => {
    const server = await findServer(context, config)
    const { load, replication } = await askLoad(server, context.signal)
    const followed = await askReplication(server, replication, context.signal)
    return judgeLoad(server.title, { ...load, ...followed }, limits)
  },
}

async function askLoad(
  server: Server,
  signal: AbortSignal,
): Promise<{ load: ServerLoad; replication: string }> {
  await using session = await Session.open(server, signal)
  const [self] = await session.rows<{ most: string; version: string; comment: string }>(
    'select @@max_connections as most, version() as version, @@version_comment as comment',
  )
  const [status] = await session.rows<{ Value: string }>("show global status like 'Threads_connected'")
  // Without the privilege PROCESS it has the account's own threads alone.
  const [slow] = await session.rows<{ seconds: string }>(
    `select coalesce(max(time), 0) as seconds from information_schema.processlist
     where command = 'Query' and id <> connection_id()`,
  )
  const { family, version } = parseServerVersion(self?.version ?? '', self?.comment ?? '')
  const isNew = family === 'MySQL' && atLeast(version, '8.0.22')
  return {
    load: {
      connections: number(status?.Value),
      maxConnections: number(self?.most),
      slowest: seconds(slow?.seconds),
    },
    replication: isNew ? 'show replica status' : 'show slave status',
  }
}

/** A question that is not answered ends its session. Many accounts may not ask this one. */
async function askReplication(server: Server, question: string, signal: AbortSignal): Promise<ServerLoad> {
  try {
    await using session = await Session.open(server, signal)
    const [row] = await session.rows<Readonly<Record<string, string>>>(question)
    return row === undefined ? {} : readReplication(row)
  } catch (error) {
    if (error instanceof SourceError && !signal.aborted) return {}
    throw error
  }
}

/** A row of `show replica status`: MariaDB, and MySQL before 8.0.22, call both sides otherwise. */
export function readReplication(row: Readonly<Record<string, string>>): ServerLoad {
  const behind = row['Seconds_Behind_Source'] ?? row['Seconds_Behind_Master']
  const reads = row['Replica_IO_Running'] ?? row['Slave_IO_Running']
  const applies = row['Replica_SQL_Running'] ?? row['Slave_SQL_Running']
  return { lag: seconds(behind), isCutOff: reads !== 'Yes' || applies !== 'Yes' }
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

function seconds(text: string | undefined): number | undefined {
  const found = number(text)
  return found === undefined ? undefined : found * 1000
}
