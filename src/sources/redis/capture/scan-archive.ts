import { Readable, pipeline } from 'node:stream'
import type { RdbFacts } from '../facts.ts'
import { chooseCompression } from '../../compression-choice.ts'
import type { CaptureArchive } from '../../contract.ts'
import { databasesOf } from './databases-of.ts'
import type { Session } from '../talk/session.ts'
import { connectRedis } from '../talk/connect.ts'
import { RdbCut } from '../rdb/cut.ts'
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
  const cut = new RdbCut()
  let broken: Error | null | undefined
  // Errors reach whoever reads the stream, and finish().
  pipeline(source, cut, (error) => (broken = error))
  cut.on('error', () => {})
  const abort = (): void => {
    stop.abort()
    cut.destroy()
  }
  const { store, level } = chooseCompression(context.compression, context.probe)
  return {
    part: '',
    format: 'stream',
    extension: 'rdb',
    objects: () => databasesOf(cut.facts),
    input: { stream: cut, format: 'stream', wire: 'none', store, level },
    observer: {},
    abort,
    finish: async () => {
      await Promise.resolve()
      if (failure !== undefined) throw failure as Error
      if (broken instanceof RdbError) throw broken
      if (cut.facts === undefined) abort()
      else onFinished(cut.facts)
    },
  }
}
