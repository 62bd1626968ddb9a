import type { ArchiveObserver, ByteSink, ReadEntry, TarEntry } from '../../../archive/contract.ts'
import type { RdbFacts } from '../../../model/facts.ts'
import { latin1 } from '../../../model/path-bytes.ts'
import { AofFiles } from './aof-files.ts'
import { RdbSink } from '../rdb/sink.ts'

/** Which files of the directory are Redis' own, by their names in it. */
export interface OwnFiles {
  readonly rdb?: string | undefined
  /** Directory of a multi-part AOF, or the single file. */
  readonly aof?: { readonly layout: 'multi-part' | 'single-file'; readonly name: string } | undefined
}

/** Watches a Redis directory pass by in an archive and takes the facts from what is really in it. */
export class DirectoryWatch implements ArchiveObserver {
  readonly #member: string
  readonly #own: OwnFiles
  #rdb: { readonly sink: RdbSink; readonly mtimeNs: bigint } | undefined
  readonly aof = new AofFiles()
  /** Regular files that were read, latin1. */
  readonly files = new Set<string>()

  /** `member` is the directory's own name in the archive. */
  constructor(member: string, own: OwnFiles) {
    this.#member = latin1(member)
    this.#own = own
  }

  tap(entry: TarEntry): ByteSink | undefined {
    const name = this.#nameOf(entry.path)
    if (name === undefined) return undefined
    const { rdb, aof } = this.#own
    if (rdb !== undefined && name === latin1(rdb)) {
      const sink = new RdbSink()
      this.#rdb = { sink, mtimeNs: entry.mtimeNs }
      return sink
    }
    if (aof === undefined) return undefined
    const own = latin1(aof.name)
    if (aof.layout === 'single-file') {
      return name === own ? this.aof.tap(name, entry.size, entry.mtimeNs) : undefined
    }
    if (!name.startsWith(`${own}/`)) return undefined
    return this.aof.tap(name.slice(own.length + 1), entry.size, entry.mtimeNs)
  }

  entry(entry: ReadEntry): void {
    if (entry.type === 'file') this.files.add(entry.path.toString('latin1'))
  }

  /** Of the RDB, once it passed by whole. */
  get rdb(): RdbFacts | undefined {
    return this.#rdb?.sink.facts
  }

  /** When the RDB was written, in ns since the epoch. */
  get rdbMtimeNs(): bigint {
    return this.#rdb?.mtimeNs ?? 0n
  }

  /** A member's name (latin1) from what tar called it in a message, when it is one of Redis' own files. */
  isOwn(member: string): boolean {
    const name = this.#nameOf(Buffer.from(member, 'latin1'))
    if (name === undefined) return false
    const { rdb, aof } = this.#own
    return (
      (rdb !== undefined && name === latin1(rdb)) ||
      (aof !== undefined && (name === latin1(aof.name) || name.startsWith(`${latin1(aof.name)}/`)))
    )
  }

  #nameOf(path: Buffer): string | undefined {
    const text = path.toString('latin1')
    return text.startsWith(`${this.#member}/`) ? text.slice(this.#member.length + 1) : undefined
  }
}
