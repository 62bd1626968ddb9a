import type { ReadEntry } from '../../archive/contract.ts'
import { SourceError } from '../../errors.ts'
import type { FilesSourceConfig } from './config.ts'
import { PathFilter } from '../../model/path-filter.ts'
import { printable } from '../../model/path-bytes.ts'
import { PATH_MISSING, TORN, UNREADABLE } from '../../model/snapshot.ts'
import type { SnapshotWarning } from '../../model/snapshot.ts'
import type {
  Amendment,
  Capture,
  CaptureArchive,
  CaptureContext,
  CaptureOutcome,
  Changes,
  ExcludedNames,
  ListableSource,
  PullContext,
} from '../contract.ts'
import { count, noTar, someNames, tellUnreadable, vanishedSource } from '../tree/failures.ts'
import { Databases } from './databases.ts'
import { fileStates } from './file-states.ts'
import { gnuPacker } from '../tree/gnu-packer.ts'
import { LeftOut } from '../tree/left-out.ts'
import type { ListedNames } from '../tree/listed-names.ts'
import { listPaths, packerFor, startPass } from '../tree/packer-for.ts'
import type { Packer, Pass, PassReport } from '../tree/pass.ts'
import { lostRoots, resolveRoots } from '../tree/resolve.ts'
import type { ResolvedRoots } from '../tree/resolve.ts'
import type { Root } from '../tree/roots.ts'
import { scanFiles } from '../tree/scan.ts'
import { sftpPacker } from './sftp-packer.ts'
import { Tally } from './tally.ts'

/** The part that holds the files which changed while they were read, read once more. */
export const REREAD = 'reread'

/** How often a database that does not hold still is read again. */
const MOST_READINGS = 3

/**
 * Captures file trees: one archive with everything, and when files changed meanwhile a second one, `reread`, with
 * just these. Unpacked in this order by any tar they give the best copy. Mount points below the paths are
 * followed.
 *
 * What is captured is listed first, and what comes is compared with that: whatever keeps a file out of an archive
 * fails the source, and so does a root that goes away meanwhile. `isPrivate`: nobody else writes to these files, so their
 * times tell nothing.
 */
export async function captureFiles(
  context: CaptureContext & Pick<PullContext, 'createSorter'>,
  config: FilesSourceConfig,
  { isPrivate = false }: { readonly isPrivate?: boolean } = {},
): Promise<Capture> {
  if (context.probe.tar === undefined) throw noTar()
  const { roots, missing, unreadable } = await resolveRoots(context, config.paths)
  const filter = new PathFilter(config.exclude, roots, context.probe.deployment)
  const leftOut = new LeftOut()
  if (context.probe.tar !== 'gnu' && context.probe.tar !== 'busybox') {
    context.notice({
      code: 'other-tar',
      message: `tar on the server is neither GNU's nor busybox's: extended attributes may be missing`,
      next: 'Install GNU tar on the server for a complete copy.',
    })
  }
  const { packer, names } = packerFor(context, roots, filter, leftOut)
  return new FilesCapture(context, config, {
    roots,
    missing,
    unreadable,
    filter,
    packer,
    leftOut,
    isPrivate,
    ...(names === undefined ? {} : { names }),
  })
}

/** Finds out whether the paths can be captured; throws as {@link captureFiles} does before it reads them. */
export async function lookAtFiles(context: CaptureContext, config: FilesSourceConfig): Promise<void> {
  if (context.probe.access === 'shell' && context.probe.tar === undefined) throw noTar()
  const { roots, missing, unreadable } = await resolveRoots(context, config.paths)
  if (missing.length > 0) context.notice(missingNotice(missing, config))
  if (unreadable.length > 0) {
    const members = unreadable.map(({ name }) => Buffer.from(name).toString('latin1'))
    const told = await tellUnreadable(context, [...roots, ...unreadable], members)
    context.notice({ code: UNREADABLE, ...told })
  }
}

function missingNotice(
  missing: readonly string[],
  { name }: FilesSourceConfig,
): { readonly code: string; readonly message: string; readonly next: string } {
  return {
    code: PATH_MISSING,
    message: `${count(missing.length, 'path')} of the source not there: ${someNames(missing)}`,
    next: `Correct the paths of ${name} in the config, or make what is missing on the server.`,
  }
}

/** Captures file trees of a server without a shell, in the same two archives. */
export async function captureFilesOverSftp(
  context: CaptureContext & Pick<PullContext, 'packTar'>,
  config: FilesSourceConfig,
): Promise<Capture> {
  const { roots, missing, unreadable } = await resolveRoots(context, config.paths)
  const filter = new PathFilter(config.exclude, roots, context.probe.deployment)
  const leftOut = new LeftOut()
  const packer = sftpPacker(context, roots, filter, leftOut)
  return new FilesCapture(context, config, { roots, missing, unreadable, filter, packer, leftOut })
}

/** Prepares file trees to be listed and captured, all of them or just what changed; see `IncrementalSource`. */
export async function openFiles(context: CaptureContext, config: FilesSourceConfig): Promise<ListableSource> {
  const { roots, missing, unreadable } = await resolveRoots(context, config.paths)
  const filter = new PathFilter(config.exclude, roots, context.probe.deployment)
  const leftOut = new LeftOut()
  const packer = gnuPacker(context, roots)
  return {
    list: () => scanFiles(context, roots, filter, leftOut),
    captureListed: (changes) =>
      new FilesCapture(context, config, { roots, missing, unreadable, filter, packer, leftOut, changes }),
  }
}

/** What each pattern of a source leaves out now; nothing is known of a server without a shell. */
export async function findExcluded(
  context: CaptureContext,
  config: FilesSourceConfig,
): Promise<readonly ExcludedNames[]> {
  if (context.probe.access === 'sftp') return []
  const { roots } = await resolveRoots(context, config.paths)
  const filter = new PathFilter(config.exclude, roots, context.probe.deployment)
  for await (const _path of listPaths(context, roots, filter, new LeftOut()));
  return filter.matches.map(({ pattern, count: number, names }) => ({
    pattern,
    count: number,
    names: names.map((name) => printable(Buffer.from(name, 'latin1'))),
  }))
}

/** The parts of one capture. */
interface CaptureParts {
  readonly roots: readonly Root[]
  /** Paths of the source that are not there. */
  readonly missing: readonly string[]
  /** Paths of the source that may not be read. */
  readonly unreadable: ResolvedRoots['unreadable']
  readonly packer: Packer
  readonly filter: PathFilter
  /** Known when the first archive is finished. */
  readonly leftOut: LeftOut
  /** What is to be packed; absent where the packer finds it by itself. */
  readonly changes?: Changes
  /** The same, where it has yet to be listed. */
  readonly names?: ListedNames
  /** Nobody else writes to it. */
  readonly isPrivate?: boolean
}

/** Databases that did not hold still. Names are members', in latin1. */
interface MovedDatabases {
  readonly names: readonly string[]
  /** What they are made of now. */
  readonly files: readonly string[]
  /** What they were made of besides when they were read. */
  readonly gone: readonly string[]
}

class FilesCapture implements Capture {
  readonly #context: CaptureContext
  readonly #config: FilesSourceConfig
  readonly #roots: readonly Root[]
  readonly #packer: Packer
  readonly #tally = new Tally()
  readonly #amendments = new Map<string, Amendment>()
  readonly #warnings: SnapshotWarning[] = []
  /** The part that holds a member which was read more than twice. */
  readonly #readLast = new Map<string, string>()
  readonly #databases: Databases
  readonly #leftOut: LeftOut
  readonly #filter: PathFilter
  readonly #missing: readonly string[]
  readonly #unreadableRoots: ResolvedRoots['unreadable']
  /** Members, in latin1. */
  readonly #unreadable: Set<string>
  readonly #names: ListedNames | undefined
  readonly #isPrivate: boolean
  #changes: Changes | undefined
  #pass: Pass | undefined

  constructor(context: CaptureContext, config: FilesSourceConfig, parts: CaptureParts) {
    this.#context = context
    this.#config = config
    this.#roots = parts.roots
    this.#packer = parts.packer
    this.#leftOut = parts.leftOut
    this.#filter = parts.filter
    this.#missing = parts.missing
    this.#unreadable = new Set(parts.unreadable.map(({ name }) => Buffer.from(name).toString('latin1')))
    this.#unreadableRoots = parts.unreadable
    // This look has a context of its own, because its questions are no findings.
    const filter = new PathFilter(config.exclude, parts.roots, context.probe.deployment)
    this.#databases = new Databases((name) => filter.excludes(name, false))
    this.#changes = parts.changes
    this.#names = parts.names
    this.#isPrivate = parts.isPrivate === true
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
    const first = this.#finished(main.report)
    await this.#checkRoots(first)
    const lost = this.#lostTails(first)
    for (const { path } of this.#changes?.tails ?? []) this.#databases.addTail(path.toString('latin1'))
    const known = new Set(this.#databases.names)
    const moved = await this.#movedDatabases([...known], first)
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
      this.#context.step(`reading ${count(first.changed.length, 'file')} again that changed meanwhile`)
    }
    if (lost.length > 0)
      this.#context.step(`reading ${count(lost.length, 'file')} whole that did not just grow`)
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
    let moved = await this.#movedDatabases(names, second)
    for (let round = 2; round <= MOST_READINGS && moved.names.length > 0; round += 1) {
      const part = `${REREAD}-${round}`
      this.#context.step(`reading ${count(moved.names.length, 'database')} again that did not hold still`)
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
      moved = await this.#movedDatabases(moved.names, this.#finished(done.report))
    }
    return moved
  }

  /** Databases that were written to since they were read, and the files they are made of now. */
  async #movedDatabases(names: readonly string[], { changed }: PassReport): Promise<MovedDatabases> {
    if (names.length === 0 || this.#isPrivate) return { names: [], files: [], gone: [] }
    const parts = names.flatMap((name) => this.#databases.partsOf(name))
    const states = await fileStates(this.#context, this.#roots, parts)
    const during = new Set(changed)
    // A database that is gone altogether was read before that, and can't be read again.
    const isThere = (name: string): boolean =>
      this.#databases.partsOf(name).some((part) => states.states.has(part))
    const moved = names.filter((name) => isThere(name) && this.#databases.hasMoved(name, states, during))
    return {
      names: moved,
      files: moved.flatMap((name) => this.#databases.partsOf(name)).filter((part) => states.states.has(part)),
      gone: moved.flatMap((name) => this.#databases.goneParts(name, states)),
    }
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
  ): CaptureArchive {
    this.#pass = pass
    const { concatenated } = this.#packer
    const { compression = this.#packer.compression } = pass
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
    const warn = (code: string, names: readonly string[], message: string, next?: string): void => {
      if (names.length === 0) return
      this.#warnings.push({ code, count: names.length })
      this.#context.notice({
        code,
        message: `${message}: ${someNames(names)}`,
        ...(next === undefined ? {} : { next }),
      })
    }
    if (this.#missing.length > 0) {
      this.#warnings.push({ code: PATH_MISSING, count: this.#missing.length })
      this.#context.notice(missingNotice(this.#missing, this.#config))
    }
    const unreadable = [...new Set([...this.#unreadable, ...this.#leftOut.unreadable])]
    if (unreadable.length > 0) {
      const told = await tellUnreadable(this.#context, [...this.#roots, ...this.#unreadableRoots], unreadable)
      this.#warnings.push({ code: UNREADABLE, count: unreadable.length })
      this.#context.notice({ code: UNREADABLE, ...told, message: `not in this snapshot: ${told.message}` })
    }
    const unmatched = this.#filter.unmatched
    if (unmatched.length > 0) {
      this.#context.note?.({
        code: 'exclude-unmatched',
        message: `nothing matches ${unmatched.join(' ')} of exclude`,
      })
    }
    const { changed, vanished } = report
    const { sockets, devices, others } = this.#leftOut
    warn('file-changed', changed, `${count(changed.length, 'file')} changed while read, and read again`)
    warn(
      'file-torn',
      torn,
      `${count(torn.length, 'file')} changed again, and may be of no single moment`,
      `Stop or pause what writes there during the pull, or exclude these files of ${this.#config.name}.`,
    )
    warn(
      TORN,
      databases,
      `${count(databases.length, 'database')} was written to each time it was read, and may not open`,
      `Have what writes there hold still while it is read: quiesce: { pause: [SERVICE] } for the source ${this.#config.name}.`,
    )
    warn('file-vanished', vanished, `${count(vanished.length, 'file')} vanished before being read`)
    const skipped = [...new Set([...sockets, ...report.sockets])]
    warn(
      'socket-skipped',
      skipped,
      `${count(skipped.length, 'socket')} left out: nothing of them can be kept`,
    )
    warn('device-skipped', devices, `${count(devices.length, 'device node')} left out: no app makes them`)
    warn(
      'special-skipped',
      others,
      `${count(others.length, 'entry', 'entries')} of an unknown type left out: no tar holds them`,
    )
    const { lacks } = this.#packer
    if (lacks !== undefined) {
      this.#warnings.push({ code: lacks.code, count: 1 })
      this.#context.notice(lacks)
    }
    if (report.changedUnlisted) {
      this.#warnings.push({ code: 'changes-unlisted', count: 1 })
      this.#context.notice({
        code: 'changes-unlisted',
        message: 'More files changed while read than the server could list; not all were read again',
        next: 'Stop or pause what writes there during the pull, or exclude those files.',
      })
    }
    if (report.attributes > 0) {
      this.#warnings.push({ code: 'attributes-unread', count: report.attributes })
      this.#context.notice({
        code: 'attributes-unread',
        message: `Extended attributes of ${count(report.attributes, 'file')} could not be read`,
      })
    }
    for (const remark of report.remarks)
      this.#context.notice({ code: 'tar-says', message: someRemark(remark) })
  }
}

function someRemark(remark: string): string {
  return remark.slice(0, 300)
}
