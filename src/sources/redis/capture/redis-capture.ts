import { UNREADABLE } from '../../../model/snapshot.ts'
import { Disposables } from '../../../model/disposables.ts'
import type { RedisCaptureForm, RedisFacts } from '../facts.ts'
import { SourceError } from '../../../errors.ts'
import type { Amendment, Capture, CaptureArchive, CaptureOutcome, PullContext } from '../../contract.ts'
import { someNames } from '../../tree/failures.ts'
import { whereItWrites } from '../failures.ts'
import { dataMemory } from '../memory.ts'
import type { Inspection } from '../talk/inspection.ts'
import type { Session } from '../talk/session.ts'
import { pinAof } from './pin-aof.ts'
import type { PinnedAof } from './pin-aof.ts'
import { copyArchive } from './copy-archive.ts'
import type { Copied } from './copy-archive.ts'
import { DirectoryWatch } from './directory-watch.ts'
import { TEMPORARY, aofNames, foundFiles, ownFiles } from './own-files.ts'
import { ignoreLine, listDirectory } from './pack-directory.ts'
import type { DirectoryReport, ListedDirectory, PackedDirectory } from './pack-directory.ts'
import { readAccess } from './read-access.ts'
import type { Warnings } from './warnings.ts'
import { formatCount } from '../../../model/units.ts'

/** The part that holds the append-only files of a running server. */
export const AOF_PART = 'aof'

/** How it is done, decided once before anything is changed on the server. */
export type Way = 'files' | 'stream' | 'stopped'

/** How a Redis is captured, decided before anything of it is streamed. */
export interface CapturePlan {
  readonly session: Session & Pick<PullContext, 'createSorter'>
  readonly inspection: Inspection
  readonly way: Way
  readonly form: RedisCaptureForm
  readonly warnings: Warnings
  /** Unix time in seconds of the save that was made for it, where the server tells. */
  readonly lastSave?: number | undefined
  /** Its directory, where it was listed already; the capture owns it. */
  readonly listed?: ListedDirectory
}

/** The directory of a source, without what a capture of this form leaves out, or takes by itself. */
export function ownDirectory(
  { location }: Session,
  inspection: Inspection,
  way: Way,
  form: RedisCaptureForm,
): PackedDirectory {
  const { link, real } = inspection.directory
  const others = [...aofNames(inspection), ...(form === 'aof' ? [ownFiles(inspection).rdb] : [])]
  return {
    base: location.base,
    root: {
      name: location.member,
      base: location.absolute ? 'root' : 'deployment',
      type: 'directory',
      link: link === undefined ? undefined : { target: Buffer.from(link), real: Buffer.from(real) },
    },
    exclude: [...TEMPORARY, ...(way === 'stopped' ? [] : others.map(ignoreLine))],
  }
}

/** A Redis while it is captured. */
export class RedisCapture implements Capture {
  readonly #session: CapturePlan['session']
  readonly #inspection: Inspection
  readonly #way: Way
  readonly #form: RedisCaptureForm
  readonly #lastSave: number | undefined
  readonly #warnings: Warnings
  readonly #watch: DirectoryWatch
  readonly #amendments = new Map<string, Amendment>()
  readonly #lists = new Disposables()
  readonly #listed: ListedDirectory | undefined
  #copied: Copied | undefined
  #current: CaptureArchive | undefined
  #pinned: PinnedAof | undefined

  constructor({ session, inspection, way, form, warnings, lastSave, listed }: CapturePlan) {
    this.#session = session
    this.#inspection = inspection
    this.#way = way
    this.#form = form
    this.#lastSave = lastSave
    this.#warnings = warnings
    this.#listed = listed
    const own = way === 'stopped' ? foundFiles(inspection) : ownFiles(inspection)
    this.#watch = new DirectoryWatch(session.location.member, {
      rdb: form === 'aof' && way === 'files' ? undefined : own.rdb,
      aof: own.aof,
    })
  }

  async *archives(): AsyncGenerator<CaptureArchive> {
    if (this.#way === 'stream') {
      yield (this.#current = await copyArchive(this.#session, {
        info: this.#inspection.info,
        createSorter: this.#session.createSorter,
        warn: (code, message, next, count) => this.#warnings.warn(code, message, next, count),
        onFinished: (copy) => (this.#copied = copy),
      }))
      return
    }
    const { location } = this.#session
    const { directory } = this.#inspection
    const listed =
      this.#listed ??
      (await listDirectory(
        this.#session,
        ownDirectory(this.#session, this.#inspection, this.#way, this.#form),
      ))
    yield* this.#packed('', listed, listed.states?.get(ownFiles(this.#inspection).rdb)?.size)
    if (this.#form === 'rdb' || this.#way === 'stopped') return
    const { aof } = ownFiles(this.#inspection)
    this.#session.context.step('keeping Redis from rewriting its AOF')
    const pinned = await pinAof(this.#session, directory.real, aof.name)
    this.#pinned = pinned
    const why = async (error: unknown): Promise<never> => {
      throw await pinned.why(error)
    }
    const pinnedFiles = await listDirectory(this.#session, {
      base: pinned.tree,
      root: {
        name: `${location.member}/${aof.name}`,
        base: 'deployment',
        type: aof.layout === 'single-file' ? 'file' : 'directory',
      },
      exclude: [],
    }).catch(why)
    for await (const archive of this.#packed(AOF_PART, pinnedFiles, pinned.bytes)) {
      yield { ...archive, finish: () => archive.finish().catch(why) }
    }
    await pinned.release()
  }

  async *#packed(part: string, listed: ListedDirectory, bytes?: number): AsyncGenerator<CaptureArchive> {
    this.#lists.use(listed)
    yield (this.#current = await listed.pack(part, this.#watch, (report) => this.#tell(part, report), bytes))
  }

  #tell(part: string, report: DirectoryReport): void {
    // An RDB that is replaced while it is read, and a growing AOF, are whole by their own proof.
    const changed = report.changed.filter((name) => this.#watch.files.has(name) && !this.#watch.isOwn(name))
    for (const name of changed) this.#amendments.set(`${part}\0${name}`, { flags: ['torn'] })
    const warn = (code: string, names: readonly string[], message: string): void => {
      if (names.length > 0)
        this.#warnings.warn(code, `${message}: ${someNames(names)}`, undefined, names.length)
    }
    warn('file-changed', changed, 'Changed while they were read')
    warn('file-vanished', report.vanished, 'Vanished while they were read')
    warn('socket-skipped', report.sockets, 'Sockets are not captured')
    if (report.changedUnlisted) {
      this.#warnings.warn(
        'changes-unlisted',
        'More files changed while they were read than the server could list',
      )
    }
    this.#tellUnreadable(report.unreadable)
    if (report.attributes > 0) {
      this.#warnings.warn(
        'attributes-unread',
        `Extended attributes of ${formatCount(report.attributes, 'file')} could not be read`,
        undefined,
        report.attributes,
      )
    }
    for (const remark of report.remarks) {
      this.#session.context.notice({ code: 'tar-says', message: remark.slice(0, 300) })
    }
  }

  /** Throws SourceError when Redis' own files, or the directory itself, are among what can't be read. */
  #tellUnreadable(names: readonly string[]): void {
    if (names.length === 0) return
    const { location } = this.#session
    const own = names.filter(
      (name) => name === Buffer.from(location.member, 'utf8').toString('latin1') || this.#watch.isOwn(name),
    )
    const who = `uid ${this.#inspection.uid} can't read`
    if (own.length > 0)
      throw new SourceError('unreadable', `${who} ${someNames(own)}`, { next: readAccess(this.#session) })
    this.#warnings.warn(
      UNREADABLE,
      `not in this snapshot: ${who} ${someNames(names)}`,
      readAccess(this.#session),
      names.length,
    )
  }

  async finish(): Promise<CaptureOutcome> {
    const { location } = this.#session
    const { directory } = this.#inspection
    return Promise.resolve({
      facts: this.#facts(),
      warnings: this.#warnings.counts,
      amendments: this.#amendments,
      absolutePrefixes: location.absolute ? [Buffer.from(location.member, 'utf8').toString('latin1')] : [],
      roots:
        directory.link === undefined || this.#way === 'stream'
          ? []
          : [{ path: Buffer.from(location.member, 'utf8'), link: Buffer.from(directory.link, 'utf8') }],
    })
  }

  #facts(): RedisFacts {
    const { info, settings } = this.#inspection
    const rdb = this.#copied?.facts ?? this.#watch.rdb
    const own = this.#way === 'stopped' ? foundFiles(this.#inspection) : ownFiles(this.#inspection)
    const wantsAof = this.#way === 'stopped' ? !this.#watch.aof.isEmpty : this.#form !== 'rdb'
    const aof = wantsAof && own.aof !== undefined ? this.#watch.aof.facts(own.aof.layout) : undefined
    if (rdb === undefined && this.#way !== 'stopped' && this.#form !== 'aof') {
      throw new SourceError(
        'redis-rdb-missing',
        `Redis saved, but ${own.rdb ?? 'its RDB'} is not in what was captured`,
        { next: whereItWrites(this.#inspection.refused.dbfilename) },
      )
    }
    const loads = this.#loads(rdb !== undefined, aof !== undefined)
    const lastSave = this.#lastSave ?? this.#lastWritten(loads)
    const memory = dataMemory(info)
    const version = info.get('redis_version') ?? rdb?.redisVersion ?? aof?.base?.redisVersion
    return {
      kind: 'redis',
      form:
        this.#way !== 'stopped' ? this.#form : aof === undefined ? 'rdb' : rdb === undefined ? 'aof' : 'both',
      loads,
      ...(version === undefined ? {} : { serverVersion: version }),
      pointInTime: this.#copied?.pointInTime ?? true,
      stopped: this.#way === 'stopped',
      ...(rdb === undefined ? {} : { rdb }),
      ...(aof === undefined ? {} : { aof }),
      settings: { ...settings },
      ...(memory === undefined ? {} : { memory }),
      ...(this.#copied?.slots === undefined ? {} : { slots: this.#copied.slots }),
      ...(Number.isFinite(lastSave) ? { lastSave } : {}),
    }
  }

  /**
   * For a running server its setting says it, and for a stopped container its start does. Otherwise the files do: the
   * form that was written last holds everything that the other one holds. (A dump.rdb beside a newer AOF is stale.)
   */
  #loads(rdb: boolean, aof: boolean): RedisFacts['loads'] {
    if (!rdb || !aof) return rdb ? 'rdb' : aof ? 'aof' : 'nothing'
    const { appendonly } = this.#inspection.settings
    if (this.#way !== 'stopped' || appendonly !== undefined) return appendonly === 'no' ? 'rdb' : 'aof'
    return this.#watch.aof.newestNs >= this.#watch.rdbMtimeNs ? 'aof' : 'rdb'
  }

  /** In seconds; of a stopped server when the form that it would load was written. */
  #lastWritten(loads: RedisFacts['loads']): number {
    if (this.#way !== 'stopped') return Number(this.#inspection.info.get('rdb_last_save_time') ?? Number.NaN)
    if (loads === 'nothing') return Number.NaN
    return Number((loads === 'aof' ? this.#watch.aof.newestNs : this.#watch.rdbMtimeNs) / 1_000_000_000n)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#current?.abort()
    await this.#pinned?.[Symbol.asyncDispose]()
    await this.#lists[Symbol.asyncDispose]()
  }
}
