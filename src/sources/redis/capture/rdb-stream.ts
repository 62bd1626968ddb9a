import { pipeline, type Readable } from 'node:stream'
import { chooseCompression } from '../../compression-choice.ts'
import type { CaptureArchive, CaptureContext } from '../../contract.ts'
import { RdbCut } from '../rdb/cut.ts'
import { databasesOf } from './databases-of.ts'

/** An RDB that comes as a stream, not as a file. */
interface RdbStream {
  /** Ends with the RDB, whatever follows it; its facts are there when the end and the checksum were read. */
  readonly cut: RdbCut
  /** What broke it off; undefined or null: nothing did. */
  readonly broken: () => Error | null | undefined
  readonly archive: Pick<CaptureArchive, 'part' | 'format' | 'extension' | 'objects' | 'input' | 'observer'>
}

/** Reads an RDB from `source`. Errors reach whoever reads the archive's stream, and `broken`. */
export function rdbStream(source: Readable, context: CaptureContext): RdbStream {
  const cut = new RdbCut()
  let broken: Error | null | undefined
  pipeline(source, cut, (error) => (broken = error))
  cut.on('error', () => {})
  const { store, level } = chooseCompression(context.compression, context.probe)
  return {
    cut,
    broken: () => broken,
    archive: {
      part: '',
      format: 'stream',
      extension: 'rdb',
      objects: () => databasesOf(cut.facts),
      input: { stream: cut, format: 'stream', wire: 'none', store, level },
      observer: {},
    },
  }
}
