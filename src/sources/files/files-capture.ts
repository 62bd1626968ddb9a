import type { ReadEntry } from '../../archive/contract.ts'
import { SourceError } from '../../errors.ts'
import type { FilesSourceConfig } from './config.ts'
import { PathFilter } from '../../model/path-filter.ts'
import type { SnapshotWarning } from '../../model/snapshot.ts'
import type {
  Amendment,
  Capture,
  CaptureArchive,
  CaptureContext,
  CaptureOutcome,
  Changes,
} from '../contract.ts'
import { someNames, vanishedSource } from '../tree/failures.ts'
import { copiedDatabases, copiesGone } from './copied-databases.ts'
import { Databases } from './databases.ts'
import { movedDatabases, type MovedDatabases } from './moved-databases.ts'
import type { CaptureParts } from './capture-parts.ts'
import type { LeftOut } from '../tree/left-out.ts'
import type { ListedNames } from '../tree/listed-names.ts'
import { startPass } from '../tree/packer-for.ts'
import type { Packer, Pass, PassReport } from '../tree/pass.ts'
import { lostRoots } from '../tree/resolve.ts'
import type { Root } from '../tree/roots.ts'
import { Tally } from './tally.ts'
import { tellFound } from './tell-found.ts'
import { formatCount } from '../../model/units.ts'

/** The part that holds the files which changed while they were read, read once more. */
export const REREAD = 'reread'

/** The part that holds databases as SQLite itself has copied them. */
const COPIES = 'copies'

/** How often a database that does not hold still is read again. */
const MOST_READINGS = 3

/** A capture of file trees: which readings it takes, and which copy of a member counts. */
export class FilesCapture implements Capture {
  readonly #context: CaptureContext
  readonly #config: FilesSourceConfig
  readonly #roots: readonly Root[]
  readonly #parts: CaptureParts
  readonly #packer: Packer
  readonly #tally = new Tally()
  readonly #amendments = new Map<string, Amendment>()
  readonly #warnings: SnapshotWarning[] = []
  /** The part that holds a member which was read more than twice. */
  readonly #readLast = new Map<string, string>()
  readonly #databases: Databases
  /** Members that came as SQLite copied them; latin1. */
  readonly #copied = new Set<string>()
  readonly #leftOut: LeftOut
  /** Members, in latin1. */
  readonly #unreadable: Set<string>
  readonly #names: ListedNames | undefined
  #changes: Changes | undefined
  #pass: Pass | undefined

  constructor(context: CaptureContext, config: FilesSourceConfig, parts: CaptureParts) {
    this.#context = context
    this.#config = config
    this.#roots = parts.roots
    this.#parts = parts
    this.#packer = parts.packer
    this.#leftOut = parts.leftOut
    this.#unreadable = new Set(parts.unreadable.map(({ name }) => Buffer.from(name).toString('latin1')))
    // This look has a context of its own, because its questions are no findings.
    const filter = new PathFilter(config.exclude, parts.roots, context.probe.deployment)
    this.#databases = new Databases((name) => filter.excludes(name, false))
    this.#changes = parts.changes
    this.#names = parts.names
  }

  async *archives(): AsyncGenerator<CaptureArchive> {
    const main: { report?: PassReport } = {}
    yield this.#archive(
      '',
      await this.#first(),
      (entry) => this.#tally.add(entry),
      (report) => {
        main.report = report
      },
    )
    const read = this.#finished(main.report)
    await this.#checkRoots(read)
    const tails = this.#lostTails(read)
    for (const { path } of this.#changes?.tails ?? []) this.#databases.addTail(path.toString('latin1'))
    const known = new Set(this.#databases.names)
    const moved = yield* this.#copyMoved(await this.#moved([...known], read))
    const first = { ...read, changed: read.changed.filter((name) => !this.#copied.has(name)) }
    const lost = tails.filter((name) => !this.#copied.has(name))
    if (first.changed.length + lost.length + moved.files.length === 0) {
      await this.#tell(first, [])
      return
    }
    const names = this.#tally.withLinks([...new Set([...first.changed, ...lost, ...moved.files])])
    if (names === undefined) {
      for (const name of first.changed) this.#tear('', name)
      for (const name of moved.files) this.#tear('', name)
      await this.#tell(first, first.changed, moved.names)
      return
    }
    if (first.changed.length > 0) {
      this.#context.step(`reading ${formatCount(first.changed.length, 'file')} again that changed meanwhile`)
    }
    if (lost.length > 0)
      this.#context.step(`reading ${formatCount(lost.length, 'file')} whole that did not just grow`)
    const again: { report?: PassReport } = {}
    yield this.#archive(
      REREAD,
      await this.#packer.again(names),
      (entry) => this.#tally.replace(entry),
      (report) => {
        again.report = report
      },
    )
    const second = this.#finished(again.report)
    this.#replaceParts(moved, REREAD)
    // A database that was to send its tail alone is seen to be one when it is read whole.
    const found = this.#databases.names.filter((name) => !known.has(name))
    const restless = yield* this.#untilStill([...moved.names, ...found], second)
    await this.#settle(first, second, restless)
  }

  /** Reads databases once more, each time as a whole, until they held still; gives those that never did. */
  async *#untilStill(
    names: readonly string[],
    second: PassReport,
  ): AsyncGenerator<CaptureArchive, MovedDatabases> {
    let before = REREAD
    let moved = yield* this.#copyMoved(await this.#moved(names, second))
    for (let round = 2; round <= MOST_READINGS && moved.names.length > 0; round += 1) {
      const part = `${REREAD}-${round}`
      this.#context.step(
        `reading ${formatCount(moved.names.length, 'database')} again that did not hold still`,
      )
      const done: { report?: PassReport; readonly came: Set<string> } = { came: new Set() }
      yield this.#archive(
        part,
        await this.#packer.again(moved.files),
        (entry) => {
          done.came.add(entry.path.toString('latin1'))
          this.#tally.replace(entry)
        },
        (report) => {
          done.report = report
        },
      )
      for (const name of done.came) {
        this.#amendments.set(`\0${name}`, { replacedBy: part })
        this.#amendments.set(`${before}\0${name}`, { replacedBy: part })
        this.#readLast.set(name, part)
      }
      this.#replaceParts(moved, part)
      before = part
      moved = await this.#moved(moved.names, this.#finished(done.report))
    }
    return moved
  }

  /** Sends databases that do not hold still as SQLite itself copies them; gives those that it can't copy. */
  async *#copyMoved(moved: MovedDatabases): AsyncGenerator<CaptureArchive, MovedDatabases> {
    if (this.#config.sqlite !== undefined || this.#context.probe.access === 'sftp') return moved
    const names = moved.names.filter((name) => this.#tally.withLinks([name])?.length === 1)
    if (names.length === 0) return moved
    this.#context.step(`copying ${formatCount(names.length, 'database')} that did not hold still`)
    const parts = new Set([...moved.files, ...moved.gone])
    const logsOf = (name: string) =>
      this.#databases.partsOf(name).filter((part) => part !== name && parts.has(part))
    await using copied = await copiedDatabases(this.#context, this.#roots, names, logsOf)
    if (copied === undefined) return moved
    const { copies, packer, members } = copied
    const part = this.#copied.size === 0 ? COPIES : `${COPIES}-2`
    const done: { report?: PassReport } = {}
    const archive = this.#archive(
      part,
      await packer.again(members),
      (entry) => this.#tally.replace(entry),
      (report) => {
        done.report = report
      },
      packer,
    )
    yield {
      ...archive,
      finish: async () => {
        await archive.finish().catch(async (error: unknown) => {
          // When the server has lost us, that the copies are gone is only what follows of it.
          await copies.release()
          throw error
        })
        await copies.release()
      },
    }
    const { vanished, unreadable } = this.#finished(done.report)
    if (vanished.length + unreadable.length > 0) throw copiesGone()
    for (const name of members) {
      for (const earlier of ['', REREAD]) this.#amendments.set(`${earlier}\0${name}`, { replacedBy: part })
      this.#readLast.set(name, part)
      this.#copied.add(name)
    }
    this.#context.note?.({
      code: 'databases-copied',
      message: `${formatCount(copied.names.length, 'SQLite database')} copied as of one moment, since it is written to: ${someNames(copied.names)}`,
    })
    const left = moved.names.filter((name) => !copied.names.includes(name))
    const isLeft = (file: string) => left.some((name) => this.#databases.partsOf(name).includes(file))
    return { names: left, files: moved.files.filter(isLeft), gone: moved.gone.filter(isLeft) }
  }

  #moved(names: readonly string[], { changed }: PassReport): Promise<MovedDatabases> {
    if (this.#parts.isPrivate === true) return Promise.resolve({ names: [], files: [], gone: [] })
    return movedDatabases(this.#context, this.#roots, { databases: this.#databases, names, changed })
  }

  /** A file that lay beside a database at the earlier reading, and not at the later one, is no part of it. */
  #replaceParts({ gone }: MovedDatabases, part: string): void {
    for (const name of gone) {
      if (!this.#tally.again.has(name)) this.#amendments.set(`\0${name}`, { replacedBy: part })
    }
  }

  async finish(): Promise<CaptureOutcome> {
    await Promise.resolve()
    return {
      facts: this.#tally.facts(),
      warnings: this.#warnings,
      amendments: this.#amendments,
      unsettled: this.#copied,
      absolutePrefixes: this.#roots
        .filter((root) => root.base === 'root')
        .map((root) => Buffer.from(root.name).toString('latin1')),
      roots: this.#roots.flatMap((root) =>
        root.link === undefined ? [] : [{ path: Buffer.from(root.name), link: root.link.target }],
      ),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pass?.abort()
    await this.#names?.[Symbol.asyncDispose]()
  }

  #archive(
    part: string,
    pass: Pass,
    entry: (entry: ReadEntry) => void,
    done: (report: PassReport) => void,
    packer = this.#packer,
  ): CaptureArchive {
    this.#pass = pass
    const { concatenated } = packer
    const { compression = packer.compression } = pass
    return {
      part,
      format: 'tar',
      input: { stream: pass.stream, format: 'tar', ...compression, concatenated },
      observer: {
        tap: (begun) => this.#databases.tap(begun),
        entry: (read) => {
          pass.member?.(read)
          this.#databases.add(read)
          entry(read)
        },
      },
      finish: async () => {
        const report = await pass.finish()
        this.#pass = undefined
        done(report)
      },
      abort: () => pass.abort(),
    }
  }

  async #first(): Promise<Pass> {
    if (this.#names !== undefined) {
      this.#context.step('listing')
      this.#changes = await this.#names.list()
    }
    return await startPass(this.#packer, this.#changes)
  }

  /** What a pass came to. What it could not read, and no pass before it, is not in this snapshot. */
  #finished(report: PassReport | undefined): PassReport {
    if (report === undefined) {
      throw new SourceError('unfinished', 'An archive was not finished before the next was asked for')
    }
    for (const name of report.unreadable) if (!this.#tally.has(name)) this.#unreadable.add(name)
    return report
  }

  /** Files (latin1) whose tails are of no use. A tail that came all the same is no member that counts. */
  #lostTails({ unprovenTails = [], shortTails = [] }: PassReport): readonly string[] {
    return [...unprovenTails, ...shortTails].flatMap((number) => {
      const tail = this.#changes?.tails[number]
      if (tail === undefined) return []
      this.#amendments.set(`\0${tail.member.toString('latin1')}`, { replacedBy: REREAD })
      return [tail.path.toString('latin1')]
    })
  }

  /** When a source goes away while it is read, what was read is no backup of it, whatever tar says. */
  async #checkRoots(report: PassReport): Promise<void> {
    const isListed = this.#changes !== undefined
    const roots = this.#roots.map(({ name }) => Buffer.from(name).toString('latin1'))
    if (report.vanished.length === 0 && (isListed || roots.every((name) => this.#tally.has(name)))) return
    const [lost] = await lostRoots(this.#context, this.#roots)
    if (lost !== undefined) throw vanishedSource(lost)
  }

  /** The outcome of the second reading of files that changed during the first. */
  async #settle(first: PassReport, second: PassReport, restless: MovedDatabases): Promise<void> {
    const again = this.#tally.again
    for (const name of again.keys()) {
      if (!this.#readLast.has(name)) this.#amendments.set(`\0${name}`, { replacedBy: REREAD })
    }
    const torn: string[] = []
    const ofDatabases = new Set(this.#databases.names.flatMap((name) => this.#databases.partsOf(name)))
    for (const name of second.changed) {
      if (again.get(name) !== 'file' || ofDatabases.has(name)) continue
      this.#tear(REREAD, name)
      torn.push(name)
    }
    // The file is gone since, so the first copy is the only one.
    for (const name of first.changed) {
      if (again.has(name) || ofDatabases.has(name)) continue
      this.#tear('', name)
      torn.push(name)
    }
    for (const name of restless.files) {
      if (again.get(name) === 'file') this.#tear(this.#readLast.get(name) ?? REREAD, name)
    }
    await this.#tell(
      {
        ...first,
        // Entries come and go in directories all the time; what is in them was read each for itself.
        changed: first.changed.filter((name) => again.get(name) !== 'directory'),
        remarks: [...new Set([...first.remarks, ...second.remarks])],
      },
      torn,
      restless.names,
    )
  }

  #tear(part: string, name: string): void {
    this.#amendments.set(`${part}\0${name}`, { flags: ['torn'] })
  }

  async #tell(report: PassReport, torn: readonly string[], databases: readonly string[] = []): Promise<void> {
    const unreadable = [...new Set([...this.#unreadable, ...this.#leftOut.unreadable])]
    const found = { report, torn, databases, unreadable, known: this.#databases.names.length }
    this.#warnings.push(...(await tellFound(this.#context, this.#config, this.#parts, found)))
  }
}
