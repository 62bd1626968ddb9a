import type { ByteSink } from '../../../archive/contract.ts'
import { SourceError } from '../../../errors.ts'
import type { AofFacts, RdbFacts } from '../facts.ts'
import { parseAofManifest } from './aof-manifest.ts'
import { RdbReader } from '../rdb/reader.ts'

/** A manifest names a handful of files. */
const MAX_MANIFEST_BYTES = 1 << 20
const RDB_MAGIC = Buffer.from('REDIS')

interface AofFile {
  readonly bytes: number
  readonly mtimeNs: bigint
  readonly sink: AofFileSink
}

/** Watches the files of an AOF pass by in an archive and counts its facts. */
export class AofFiles {
  readonly #files = new Map<string, AofFile>()

  /** A sink for one file of the AOF. `name` is without its directory. */
  tap(name: string, bytes: number, mtimeNs: bigint): ByteSink {
    const sink = new AofFileSink(name.endsWith('.manifest'))
    this.#files.set(name, { bytes, mtimeNs, sink })
    return sink
  }

  /** No file passed by. */
  get isEmpty(): boolean {
    return this.#files.size === 0
  }

  /** When the newest file was written, in ns since the epoch. */
  get newestNs(): bigint {
    return [...this.#files.values()].reduce(
      (newest, file) => (file.mtimeNs > newest ? file.mtimeNs : newest),
      0n,
    )
  }

  /** Throws SourceError when the files do not make an AOF that Redis would load. */
  facts(layout: AofFacts['layout']): AofFacts {
    return layout === 'single-file' ? this.#singleFile() : this.#multiPart()
  }

  #singleFile(): AofFacts {
    const [file] = this.#files.values()
    if (file === undefined) throw incomplete('its file is missing')
    const base = file.sink.base
    return {
      layout: 'single-file',
      files: 1,
      bytes: file.bytes,
      ...(base === undefined ? {} : { base }),
      incrementalBytes: file.bytes - (base?.bytes ?? 0),
    }
  }

  #multiPart(): AofFacts {
    const manifests = [...this.#files].filter(([name]) => name.endsWith('.manifest'))
    const [manifest] = manifests
    if (manifest === undefined) throw incomplete('its manifest is missing')
    if (manifests.length > 1) throw incomplete('it has several manifests')
    const parts = parseAofManifest(manifest[1].sink.text)
    if (parts === undefined) throw incomplete('its manifest can not be read')
    let bytes = 0
    let incrementalBytes = 0
    let base: RdbFacts | undefined
    let files = 0
    for (const part of parts) {
      if (part.type === 'h') continue
      const file = this.#files.get(part.file)
      if (file === undefined) throw incomplete(`its manifest names ${part.file}, which is missing`)
      files += 1
      bytes += file.bytes
      if (part.type === 'b' && file.sink.base !== undefined) {
        base = file.sink.base
        incrementalBytes += file.bytes - base.bytes
      } else {
        incrementalBytes += file.bytes
      }
    }
    return { layout: 'multi-part', files, bytes, ...(base === undefined ? {} : { base }), incrementalBytes }
  }
}

function incomplete(why: string): SourceError {
  return new SourceError('redis-aof-incomplete', `The append-only file is not complete: ${why}`, {
    next: 'Check it on the server with: redis-check-aof',
  })
}

/** A manifest is kept; of any other file an RDB at its beginning is read. */
class AofFileSink implements ByteSink {
  readonly #isManifest: boolean
  readonly #start: Buffer[] = []
  #startBytes = 0
  #decided = false
  #reader: RdbReader | undefined
  /** Known when the file ended. */
  base: RdbFacts | undefined

  constructor(isManifest: boolean) {
    this.#isManifest = isManifest
  }

  write(chunk: Buffer): void {
    if (this.#reader !== undefined) {
      this.#reader.write(chunk)
      return
    }
    if (this.#isManifest ? this.#startBytes > MAX_MANIFEST_BYTES : this.#decided) return
    this.#start.push(Buffer.from(chunk))
    this.#startBytes += chunk.length
    if (this.#isManifest || this.#startBytes < RDB_MAGIC.length) return
    this.#decided = true
    const start = Buffer.concat(this.#start.splice(0))
    if (!start.subarray(0, RDB_MAGIC.length).equals(RDB_MAGIC)) return
    this.#reader = new RdbReader(undefined, { trailing: true })
    this.#reader.write(start)
  }

  end(): void {
    this.base = this.#reader?.end()
  }

  get text(): string {
    return Buffer.concat(this.#start).toString('utf8')
  }
}
