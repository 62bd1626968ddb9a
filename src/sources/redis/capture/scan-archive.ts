import { Readable } from 'node:stream'
import type { RdbFacts } from '../facts.ts'
import type { CaptureArchive } from '../../contract.ts'
import { rdbStream } from './rdb-stream.ts'
import type { Session } from '../talk/session.ts'
import { connectRedis } from '../talk/connect.ts'
import { RdbError } from '../rdb/error.ts'
import { openClusterNode } from './scan-cluster.ts'
import type { ClusterPart } from './scan-cluster.ts'
import { scanRdb } from './scan-rdb.ts'
import type { ScanParts } from './scan-rdb.ts'

/**
 * The keys one by one (SCAN, DUMP) as an RDB, for when Redis gives none as a whole. It is read back like any other;
 * `onFinished` gets its facts.
 */
export function scanArchive(
  session: Session,
  parts: Omit<ScanParts, 'config' | 'step'> & {
    /** What INFO says. */
    readonly info: ReadonlyMap<string, string>
    readonly onCluster: (part: ClusterPart) => void
  },
  onFinished: (facts: RdbFacts) => void,
): CaptureArchive {
  const { context, config } = session
  const stop = new AbortController()
  const signal = AbortSignal.any([context.signal, stop.signal])
  let failure: unknown

  async function* pieces(): AsyncGenerator<Buffer> {
    try {
      await using connection = await connectRedis({ ...session, context: { ...context, signal } })
      if (parts.info.get('cluster_enabled') === '1')
        parts.onCluster(await openClusterNode(connection, config, parts.info.get('role') === 'slave'))
      yield* scanRdb(connection, { ...parts, config, step: context.step })
    } catch (error) {
      // What was cut off by us says so, not how the connection ended.
      const cause: unknown = signal.aborted ? signal.reason : error
      if (!stop.signal.aborted) failure = cause
      throw cause
    }
  }

  const source = Readable.from(pieces(), { objectMode: false, highWaterMark: 1024 * 1024 })
  const { cut, broken, archive } = rdbStream(source, context)
  const abort = (): void => {
    stop.abort()
    cut.destroy()
  }
  return {
    ...archive,
    abort,
    finish: async () => {
      await Promise.resolve()
      if (failure !== undefined) throw failure as Error
      const reason = broken()
      if (reason instanceof RdbError) throw reason
      if (cut.facts === undefined) abort()
      else onFinished(cut.facts)
    },
  }
}
