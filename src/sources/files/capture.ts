import type { ReadEntry } from '../../archive/contract.ts'
import { SourceError } from '../../errors.ts'
import type { FilesSourceConfig } from '../../model/config.ts'
import type { SnapshotWarning } from '../../model/snapshot.ts'
import type {
  Amendment,
  Capture,
  CaptureArchive,
  CaptureContext,
  CaptureOutcome,
  Changes,
  ListableSource,
  PullContext,
} from '../contract.ts'
import { batchPacker } from './batch-packer.ts'
import { count, noTar, someNames, vanishedSource } from './failures.ts'
import { gnuPacker } from './gnu-packer.ts'
import { emptyPass } from './pass.ts'
import type { Packer, Pass, PassReport } from './pass.ts'
import { lostRoots, resolveRoots } from './resolve.ts'
import type { Root } from './roots.ts'
import { scanFiles } from './scan.ts'
import { sftpPacker } from './sftp-packer.ts'
import { Tally } from './tally.ts'

/** The part that holds the files which changed while they were read, read once more. */
export const REREAD = 'reread'

/**
 * Captures file trees: one archive with everything, and when files changed meanwhile a second one, `reread`, with
 * just these. Unpacked in this order by any tar they give the best copy. Mount points below the paths are
 * followed.
 */
export async function captureFiles(context: CaptureContext, config: FilesSourceConfig): Promise<Capture> {
  if (context.probe.tar === undefined) throw noTar()
  return captureAll(context, config, await resolveRoots(context, config.paths))
}

/** Finds out whether the paths can be captured; throws as {@link captureFiles} does before it reads them. */
export async function lookAtFiles(context: CaptureContext, config: FilesSourceConfig): Promise<void> {
  if (context.probe.access === 'shell' && context.probe.tar === undefined) throw noTar()
  await resolveRoots(context, config.paths)
}

function captureAll(context: CaptureContext, config: FilesSourceConfig, roots: readonly Root[]): Capture {
  const isGnu = context.probe.tar === 'gnu'
  if (!isGnu && context.probe.tar !== 'busybox') {
    context.notice({
      code: 'other-tar',
      message: `tar on the server is neither GNU's nor busybox's: extended attributes may be missing`,
      next: 'Install GNU tar on the server for a complete copy.',
    })
  }
  const packer = (isGnu ? gnuPacker : batchPacker)(context, roots, config.exclude)
  return new FilesCapture(context, config, roots, packer)
}

/** Captures file trees of a server without a shell, in the same two archives. */
export async function captureFilesOverSftp(
  context: CaptureContext & Pick<PullContext, 'packTar'>,
  config: FilesSourceConfig,
): Promise<Capture> {
  const roots = await resolveRoots(context, config.paths)
  return new FilesCapture(context, config, roots, sftpPacker(context, roots, config.exclude))
}

/** Prepares file trees to be listed and captured, all of them or just what changed; see `IncrementalSource`. */
export async function openFiles(context: CaptureContext, config: FilesSourceConfig): Promise<ListableSource> {
  const roots = await resolveRoots(context, config.paths)
  return {
    list: () => scanFiles(context, roots, config.exclude),
    capture: () => captureAll(context, config, roots),
    captureChanges: (changes) =>
      new FilesCapture(context, config, roots, gnuPacker(context, roots, config.exclude), changes),
  }
}

class FilesCapture implements Capture {
  readonly #context: CaptureContext
  readonly #config: FilesSourceConfig
  readonly #roots: readonly Root[]
  readonly #packer: Packer
  readonly #tally = new Tally()
  readonly #amendments = new Map<string, Amendment>()
  readonly #warnings: SnapshotWarning[] = []
  readonly #changes: Changes | undefined
  #pass: Pass | undefined

  constructor(
    context: CaptureContext,
    config: FilesSourceConfig,
    roots: readonly Root[],
    packer: Packer,
    changes?: Changes,
  ) {
    this.#changes = changes
    this.#context = context
    this.#config = config
    this.#roots = roots
    this.#packer = packer
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
    const first = finished(main.report)
    await this.#checkRoots(first)
    const lost = this.#lostTails(first)
    if (first.changed.length + lost.length === 0) {
      this.#tell(first, [])
      return
    }
    const names = this.#tally.withLinks([...first.changed, ...lost])
    if (names === undefined) {
      for (const name of first.changed) this.#tear('', name)
      this.#tell(first, first.changed)
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
    this.#settle(first, finished(again.report))
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

  [Symbol.asyncDispose](): Promise<void> {
    this.#pass?.abort()
    return Promise.resolve()
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
      observer: { entry },
      finish: async () => {
        const report = await pass.finish()
        this.#pass = undefined
        done(report)
      },
      abort: () => pass.abort(),
    }
  }

  #first(): Promise<Pass> {
    if (this.#changes === undefined) return this.#packer.all()
    if (this.#changes.memberCount + this.#changes.tails.length === 0)
      return Promise.resolve(emptyPass(this.#packer.compression.store))
    if (this.#packer.changes === undefined) throw new Error('this packer can not pack changes alone')
    return this.#packer.changes(this.#changes)
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

  /** A source that went away while it was read is no backup of it, whatever tar says. */
  async #checkRoots(report: PassReport): Promise<void> {
    if (report.vanished.length === 0 && (this.#changes !== undefined || this.#tally.entries > 0)) return
    const [lost] = await lostRoots(this.#context, this.#roots)
    if (lost !== undefined) throw vanishedSource(lost)
  }

  /** What the second reading made of the files that changed during the first. */
  #settle(first: PassReport, second: PassReport): void {
    const again = this.#tally.again
    for (const name of again.keys()) this.#amendments.set(`\0${name}`, { replacedBy: REREAD })
    const torn: string[] = []
    for (const name of second.changed) {
      if (again.get(name) !== 'file') continue
      this.#tear(REREAD, name)
      torn.push(name)
    }
    // Gone since: the first copy is the only one.
    for (const name of first.changed) {
      if (again.has(name)) continue
      this.#tear('', name)
      torn.push(name)
    }
    this.#tell(
      {
        ...first,
        // Entries come and go in directories all the time; what is in them was read each for itself.
        changed: first.changed.filter((name) => again.get(name) !== 'directory'),
        remarks: [...new Set([...first.remarks, ...second.remarks])],
      },
      torn,
    )
  }

  #tear(part: string, name: string): void {
    this.#amendments.set(`${part}\0${name}`, { flags: ['torn'] })
  }

  #tell(report: PassReport, torn: readonly string[]): void {
    const warn = (code: string, names: readonly string[], message: string, next?: string): void => {
      if (names.length === 0) return
      this.#warnings.push({ code, count: names.length })
      this.#context.notice({
        code,
        message: `${message}: ${someNames(names)}`,
        ...(next === undefined ? {} : { next }),
      })
    }
    const { changed, vanished, sockets, devices = [] } = report
    warn('file-changed', changed, `${count(changed.length, 'file')} changed while read, and read again`)
    warn(
      'file-torn',
      torn,
      `${count(torn.length, 'file')} changed again, and may be of no single moment`,
      `Stop or pause what writes there during the pull, or exclude these files of ${this.#config.name}.`,
    )
    warn('file-vanished', vanished, `${count(vanished.length, 'file')} vanished before being read`)
    warn('socket-skipped', sockets, `${count(sockets.length, 'socket')} left out`)
    warn(
      'device-skipped',
      devices,
      `${count(devices.length, 'device node')} left out: SFTP does not tell their numbers`,
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

function finished(report: PassReport | undefined): PassReport {
  if (report === undefined) {
    throw new SourceError('unfinished', 'An archive was not finished before the next was asked for')
  }
  return report
}

function someRemark(remark: string): string {
  return remark.slice(0, 300)
}
