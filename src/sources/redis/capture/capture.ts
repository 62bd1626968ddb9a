import { SourceError } from '../../../errors.ts'
import type { RedisCaptureForm, RedisFacts } from '../../../model/facts.ts'
import type { RedisSourceConfig } from '../../../model/config.ts'
import { Disposables } from '../../../model/disposables.ts'
import type { SnapshotWarning } from '../../../model/snapshot.ts'
import type {
  Amendment,
  Capture,
  CaptureArchive,
  CaptureContext,
  CaptureOutcome,
  PullContext,
} from '../../contract.ts'
import { count, someNames } from '../../tree/failures.ts'
import { holdAof } from './aof-hold.ts'
import type { AofHold } from './aof-hold.ts'
import { openSession } from '../talk/connection.ts'
import type { Session } from '../talk/connection.ts'
import { startSettings } from '../talk/container.ts'
import { copyArchive } from './copy-archive.ts'
import type { Copied } from './copy-archive.ts'
import { DirectoryWatch } from './directory-watch.ts'
import { addressOf, nameOf, whereItWrites } from '../failures.ts'
import { findHostStart } from '../start/host-start.ts'
import { checkDirectory, inspect } from '../talk/inspect.ts'
import type { Inspection, Setting } from '../talk/inspection.ts'
import { dataMemory } from '../memory.ts'
import { TEMPORARY, aofNames, foundFiles, ownFiles } from './own-files.ts'
import { save } from './save.ts'
import type { Saved } from './save.ts'
import { ignoreLine, packDirectory } from './pack-directory.ts'
import type { DirectoryReport, PackedDirectory } from './pack-directory.ts'
import { readAccess } from './read-access.ts'

/** The part that holds the append-only files of a running server. */
export const AOF_PART = 'aof'

/** How it is done, decided once before anything is changed on the server. */
type Way = 'files' | 'stream' | 'stopped'

/**
 * Captures a Redis (docs/design/redis.md). One archive with the directory: the RDB that was just saved,
 * and whatever else lies there but the other persistence form. For `aof` and `both` a second one, `aof`, with the
 * append-only files. Where the files can't be read, one archive with the RDB as a stream.
 */
export async function captureRedis(context: PullContext, config: RedisSourceConfig): Promise<Capture> {
  const prepared = await prepare(context, config, { settle: true })
  const { inspection, state, form, readable, isThere, tally } = prepared
  const session = { ...prepared.session, createSorter: context.createSorter }
  const { container } = session
  const own = ownFiles(inspection)
  if (state === 'stopped') {
    const settings = container?.start === undefined ? {} : startSettings(container.start)
    return new RedisCapture(session, { ...inspection, settings }, 'stopped', config.capture, {}, tally)
  }
  if (!isThere) {
    tally.warn(
      'redis-stream',
      `${nameOf(config)} works in ${inspection.settings.dir}, not in ${session.location.directory}: the RDB is taken as a replica gets it, without other files of the directory`,
      `Set \`path\` of this source to ${inspection.settings.dir}: that is what a restore replaces.`,
    )
    return new RedisCapture(session, inspection, 'stream', form, {}, tally)
  }
  if (!readable) {
    tally.warn(
      'redis-stream',
      `uid ${inspection.uid} can't read ${session.location.directory}: the RDB is taken as a replica gets it, without other files of the directory`,
      readAccess(session),
    )
    return new RedisCapture(session, inspection, 'stream', form, {}, tally)
  }
  if (form === 'aof') return new RedisCapture(session, inspection, 'files', form, {}, tally)
  context.step('asking Redis to save')
  try {
    const saved = await save(session, inspection, own.rdb)
    const dbfilename = saved.file ?? own.rdb
    const settings = { ...inspection.settings, dbfilename }
    return new RedisCapture(session, { ...inspection, settings }, 'files', form, saved, tally)
  } catch (error) {
    if (!(error instanceof SourceError) || form !== 'rdb') throw error
    const why = whyStreamed(inspection, error)
    if (why === undefined) throw error
    tally.warn(
      'redis-stream',
      `${nameOf(config)} ${why}: the RDB is taken as a replica gets it, without other files of the directory`,
      error.details.next,
    )
    return new RedisCapture(session, inspection, 'stream', form, {}, tally)
  }
}

/**
 * Finds out whether it can be captured, and changes nothing on the server; throws as {@link captureRedis} does before it
 * asks for anything.
 */
export async function lookAtRedis(context: CaptureContext, config: RedisSourceConfig): Promise<void> {
  await prepare(context, config, { settle: false })
}

/** What is known of a Redis before anything of it is changed. */
interface Prepared {
  readonly session: Session
  readonly inspection: Inspection
  readonly state: 'up' | 'stopped'
  readonly form: RedisCaptureForm
  /** Redis works in the source's directory. */
  readonly isThere: boolean
  /** Redis's files can be read, where they are asked for. */
  readonly readable: boolean
  readonly tally: Tally
}

/** Throws SourceError when it can't be captured as configured. */
async function prepare(
  context: CaptureContext,
  config: RedisSourceConfig,
  options: { readonly settle: boolean },
): Promise<Prepared> {
  const session = await openSession(context, config)
  const { inspection: seen, state } = await inspect(session, options)
  const tally = new Tally(context)
  if (seen.settled > 0) {
    context.notice({
      code: 'redis-settled',
      message: `A pull that died had left AOF rewrites of ${nameOf(config)} switched off; they are on again`,
    })
  }
  const isThere = state === 'up' || session.container !== undefined ? checkDirectory(session, seen) : true
  if (state === 'stopped') {
    tellOfStopped(session, seen, tally)
    return { session, inspection: seen, state, form: config.capture, isThere, readable: true, tally }
  }
  const inspection = await withNames(session, seen)
  tellOfReplica(session, inspection, tally)
  const form = checkForm(session, inspection, tally)
  const { directory } = inspection
  const readable = directory.readable && !directory.unreadable.includes(ownFiles(inspection).rdb)
  if (isThere && !readable && form !== 'rdb') throw unreadable(session, inspection)
  return { session, inspection, state, form, isThere, readable, tally }
}

/** Why the RDB must be streamed after a save that ended so; undefined when it need not be. */
function whyStreamed({ refused, directory }: Inspection, error: SourceError): string | undefined {
  if (/^redis-no-(?:permission|command)$/.test(error.code)) return 'does not let us save'
  // With CONFIG, `path` is known to be wrong. Without CONFIG, only what the server itself sends is known to be right.
  if (error.code === 'redis-saved-elsewhere' && refused.dir !== undefined)
    return `saved, but nothing changed in ${directory.real}`
  return undefined
}

/** Where CONFIG does not name the files, the server's command line and config file do. */
async function withNames(session: Session, inspection: Inspection): Promise<Inspection> {
  const { info, refused, settings } = inspection
  if (refused.dbfilename === undefined) return inspection
  const names = await startNames(session, info)
  return { ...inspection, settings: { ...names, ...settings } }
}

async function startNames(
  session: Session,
  info: ReadonlyMap<string, string>,
): Promise<Partial<Record<Setting, string>>> {
  const { container } = session
  if (container !== undefined) return container.start === undefined ? {} : startSettings(container.start)
  const configFile = info.get('config_file') || undefined
  const start = await findHostStart(session, { running: true, info, configFile, starter: undefined })
  const told = (name: Setting): [Setting, string][] => {
    const value =
      start.arguments?.directives.get(name) ??
      (typeof start.file === 'string' ? undefined : start.file.get(name))
    return value === undefined ? [] : [[name, value]]
  }
  return Object.fromEntries([...told('dbfilename'), ...told('appenddirname'), ...told('appendfilename')])
}

/** Throws SourceError when another Redis uses the directory, or when the files can't be read. */
function tellOfStopped(session: Session, inspection: Inspection, tally: Tally): void {
  const { config, container, location } = session
  const why =
    container === undefined
      ? `Nothing listens at ${addressOf(config)}`
      : container.look === undefined
        ? `There is no container of ${addressOf(config)}`
        : `Container ${container.look.name} does not run`
  const [key] = container === undefined ? ['address'] : addressOf(config).split(' ')
  // A stopped container does not use the directory. Without a container of its own, any other container that runs and
  // sees the directory may be this Redis.
  const [user] = container?.look === undefined ? (container?.usersOf(inspection.directory.real) ?? []) : []
  if (inspection.process !== undefined || user !== undefined) {
    const what =
      user === undefined ? `a Redis (process ${inspection.process}) works in` : `container ${user.name} uses`
    throw new SourceError('redis-elsewhere', `${why}, but ${what} ${location.directory}`, {
      next:
        container === undefined
          ? 'Correct `address` of this source, or name the container of Redis by `service` or `container` instead.'
          : `Correct \`${key}\` of this source, or services.project of this host.`,
    })
  }
  if (!inspection.directory.readable) throw unreadable(session, inspection)
  tally.warn(
    'redis-stopped',
    `${why}: the files are taken as they lie in ${location.directory}`,
    `If Redis does run, correct \`${key}\` of this source.`,
  )
}

function tellOfReplica({ config }: Session, { info }: Inspection, tally: Tally): void {
  if (info.get('role') !== 'slave') return
  const down = info.get('master_link_status') !== 'up'
  tally.warn(
    down ? 'redis-replica-stale' : 'redis-replica',
    `${nameOf(config)} is a replica of ${info.get('master_host')}:${info.get('master_port')}${
      down ? ', and the link to it is down: what it has may be old' : ''
    }`,
    'Point this source at the master when a backup must have the last write.',
  )
}

/** What is asked for must be there: an AOF that is off can't be captured. */
function checkForm({ config }: Session, { settings, refused }: Inspection, tally: Tally): RedisCaptureForm {
  if (config.capture === 'rdb' || settings.appendonly !== 'no') return config.capture
  if (config.capture === 'aof') {
    throw new SourceError('redis-aof-off', `${nameOf(config)} has appendonly off`, {
      next: `Set \`capture: rdb\` for this source, or turn it on: ${
        refused.appendonly === undefined
          ? 'redis-cli CONFIG SET appendonly yes'
          : 'appendonly yes in its config file, once its RDB was made an AOF (a start with an empty AOF is empty)'
      }`,
    })
  }
  tally.warn(
    'redis-aof-off',
    `${nameOf(config)} has appendonly off: only its RDB is captured`,
    'Set `capture: rdb` for this source.',
  )
  return 'rdb'
}

function unreadable(session: Session, inspection: Inspection): SourceError {
  const owner = inspection.directory.owner
  return new SourceError(
    'unreadable',
    `uid ${inspection.uid} can't read ${session.location.directory}${owner === undefined ? '' : ` (its owner is uid ${owner})`}`,
    { next: readAccess(session) },
  )
}

/** Warnings for the manifest, each told to the person too. */
class Tally {
  readonly #context: CaptureContext
  readonly #counts = new Map<string, number>()

  constructor(context: CaptureContext) {
    this.#context = context
  }

  warn(code: string, message: string, next?: string, count = 1): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + count)
    this.#context.notice({ code, message, ...(next === undefined ? {} : { next }) })
  }

  get warnings(): readonly SnapshotWarning[] {
    return [...this.#counts].map(([code, count]) => ({ code, count }))
  }
}

type CaptureSession = Session & Pick<PullContext, 'createSorter'>

class RedisCapture implements Capture {
  readonly #session: CaptureSession
  readonly #inspection: Inspection
  readonly #way: Way
  readonly #form: RedisCaptureForm
  readonly #saved: Saved
  readonly #tally: Tally
  readonly #watch: DirectoryWatch
  readonly #amendments = new Map<string, Amendment>()
  readonly #lists = new Disposables()
  #copied: Copied | undefined
  #current: CaptureArchive | undefined
  #hold: AofHold | undefined

  constructor(
    session: CaptureSession,
    inspection: Inspection,
    way: Way,
    form: RedisCaptureForm,
    saved: Saved,
    tally: Tally,
  ) {
    this.#session = session
    this.#inspection = inspection
    this.#way = way
    this.#form = form
    this.#saved = saved
    this.#tally = tally
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
        warn: (code, message, next, count) => this.#tally.warn(code, message, next, count),
        onFinished: (copy) => (this.#copied = copy),
      }))
      return
    }
    const { location } = this.#session
    const { directory } = this.#inspection
    const { link, real } = directory
    yield* this.#packed({
      part: '',
      base: location.base,
      root: {
        name: location.member,
        base: location.absolute ? 'root' : 'deployment',
        type: 'directory',
        link: link === undefined ? undefined : { target: Buffer.from(link), real: Buffer.from(real) },
      },
      exclude: [...TEMPORARY, ...this.#otherForm().map(ignoreLine)],
      expectedPlainBytes: this.#saved.bytes,
    })
    if (this.#form === 'rdb' || this.#way === 'stopped') return
    const { aof } = ownFiles(this.#inspection)
    this.#session.context.step('holding AOF rewrites')
    this.#hold = await holdAof(this.#session, real, aof.name)
    yield* this.#packed({
      part: AOF_PART,
      base: this.#hold.tree,
      root: {
        name: `${location.member}/${aof.name}`,
        base: 'deployment',
        type: aof.layout === 'single-file' ? 'file' : 'directory',
      },
      exclude: [],
      expectedPlainBytes: this.#hold.bytes,
    })
    await this.#hold.release()
  }

  async *#packed(what: PackedDirectory): AsyncGenerator<CaptureArchive> {
    yield (this.#current = await packDirectory(this.#session, what, this.#watch, {
      onFinished: (report) => this.#tell(what.part, report),
      own: (list) => this.#lists.use(list),
    }))
  }

  /** Names that do not belong into the first archive: what is not asked for, or comes by itself. */
  #otherForm(): readonly string[] {
    if (this.#way === 'stopped') return []
    const own = ownFiles(this.#inspection)
    return [...aofNames(this.#inspection), ...(this.#form === 'aof' ? [own.rdb] : [])]
  }

  #tell(part: string, report: DirectoryReport): void {
    // An RDB that is replaced while it is read, and a growing AOF, are whole by their own proof.
    const changed = report.changed.filter((name) => this.#watch.files.has(name) && !this.#watch.isOwn(name))
    for (const name of changed) this.#amendments.set(`${part}\0${name}`, { flags: ['torn'] })
    const warn = (code: string, names: readonly string[], message: string): void => {
      if (names.length > 0) this.#tally.warn(code, `${message}: ${someNames(names)}`, undefined, names.length)
    }
    warn('file-changed', changed, 'Changed while they were read')
    warn('file-vanished', report.vanished, 'Vanished while they were read')
    warn('socket-skipped', report.sockets, 'Sockets are not captured')
    if (report.changedUnlisted) {
      this.#tally.warn(
        'changes-unlisted',
        'More files changed while they were read than the server could list',
      )
    }
    if (report.attributes > 0) {
      this.#tally.warn(
        'attributes-unread',
        `Extended attributes of ${count(report.attributes, 'file')} could not be read`,
        undefined,
        report.attributes,
      )
    }
    for (const remark of report.remarks) {
      this.#session.context.notice({ code: 'tar-says', message: remark.slice(0, 300) })
    }
  }

  async finish(): Promise<CaptureOutcome> {
    const { location } = this.#session
    const { directory } = this.#inspection
    return Promise.resolve({
      facts: this.#facts(),
      warnings: this.#tally.warnings,
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
    const lastSave = this.#saved.time ?? this.#lastSave(loads)
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
  #lastSave(loads: RedisFacts['loads']): number {
    if (this.#way !== 'stopped') return Number(this.#inspection.info.get('rdb_last_save_time') ?? Number.NaN)
    if (loads === 'nothing') return Number.NaN
    return Number((loads === 'aof' ? this.#watch.aof.newestNs : this.#watch.rdbMtimeNs) / 1_000_000_000n)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#current?.abort()
    await this.#hold?.[Symbol.asyncDispose]()
    await this.#lists[Symbol.asyncDispose]()
  }
}
