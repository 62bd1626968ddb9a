import type { Readable } from 'node:stream'
import type {
  ArchiveInput,
  ArchiveObserver,
  IndexFlag,
  PackTar,
  RecordSorter,
  StreamObject,
} from '../archive/contract.ts'
import type { HealthLimits, SourceConfig } from '../model/config.ts'
import type { Facts, TreeCounts } from '../model/facts.ts'
import type { Finding } from '../model/finding.ts'
import type { MergedTable } from '../model/restore-report.ts'
import type { ListedEntry } from '../model/listing.ts'
import type { ArchiveContent, ArchiveFormat, ManifestArchive, SnapshotWarning } from '../model/snapshot.ts'
import type { CompressionChoice } from '../model/config.ts'
import type { SecretReference } from '../model/secret.ts'
import type { HostProbe, Privilege, RemoteHost } from '../remote/contract.ts'
import type { ResolveSecret } from '../secrets/contract.ts'
import type { ContainerReference, ContainerSearch } from '../services/contract.ts'
import type { Notice } from '../report/contract.ts'

/** findSourceContainer (services/source-container.ts) on the source's host, with what its config says of services. */
export type SearchContainer = (reference: ContainerReference) => Promise<ContainerSearch>

/** The context of a capture. The source owns nothing in it. */
export interface CaptureContext {
  readonly host: RemoteHost
  readonly probe: HostProbe
  readonly privilege: Privilege | undefined
  readonly compression: CompressionChoice
  readonly secret: ResolveSecret
  /** Looks for a container of this host. */
  readonly findContainer: SearchContainer
  /** A step a person may want to see: `waiting for BGSAVE`. */
  readonly step: (text: string) => void
  /** Details for the person; counts of them go to the manifest through {@link CaptureOutcome}. */
  readonly notice: (notice: Omit<Notice, 'host' | 'source'>) => void
  /** What a person may want to know, and need not act on. */
  readonly note?: (notice: Omit<Notice, 'host' | 'source'>) => void
  readonly signal: AbortSignal
}

/** How a source's server does, in one respect. */
export type HealthNote = Pick<Finding, 'outcome' | 'message' | 'next'>

/** Of a kind whose data a server of its own holds. */
export interface SourceHealth<C extends SourceConfig = SourceConfig> {
  /**
   * Asks the server how it does, and changes nothing: one note for each thing that needs a person, or else one that
   * says how it is. Throws SourceError where it can't be asked.
   */
  ask(context: CaptureContext, config: C, limits: HealthLimits): Promise<readonly HealthNote[]>
}

/** What a pull lends a capture for what has to be done on this machine. */
export interface PullContext extends CaptureContext {
  /** For servers where no tar can be run: what they hold is packed here. */
  readonly packTar: PackTar
  /** For more names than memory holds. Dispose it. */
  readonly createSorter: <T>() => RecordSorter<T>
}

/** One archive that a capture streams. Consume `input.stream` to its end, then await {@link finish}. */
export interface CaptureArchive {
  /** Distinguishes several archives of one source: '' for the only or first, `reread`, a database's name. */
  readonly part: string
  readonly format: ArchiveFormat
  /** What of a database it holds; absent for all of it. */
  readonly content?: ArchiveContent
  /** For `stream`: the extension before the compression's (`rdb`, `sql`). */
  readonly extension?: string
  readonly input: ArchiveInput
  readonly observer: ArchiveObserver
  /** For `stream`: what it holds, one a line of the index. Asked for once, when {@link finish} has resolved. */
  readonly objects?: () => readonly StreamObject[]
  /** Plain bytes to be expected, where known, for the progress bar. */
  readonly expectedPlainBytes?: number | undefined
  /**
   * Waits for the remote side and judges it: every exit status counts. Throws SourceError when this archive
   * must not be used. Call it also after the pipe failed: its error explains more than the pipe's.
   */
  finish(): Promise<void>
  /** Stops the remote side early. Idempotent. */
  abort(): void
}

/** What a capture found out, known when the last archive was finished. */
export interface CaptureOutcome {
  readonly facts: Facts
  readonly warnings: readonly SnapshotWarning[]
  /**
   * Corrections to index entries, by archive part and member name in latin1 (one char a byte): `replaced` says
   * that a later part holds this member again, so the earlier one is not indexed.
   */
  readonly amendments: ReadonlyMap<string, Amendment>
  /** Members (latin1) that are not what the server's stat of them says. They are sent again the next time. */
  readonly unsettled?: ReadonlySet<string>
  /** Members outside the deployment: their names lost the leading slash. Prefixes, latin1. */
  readonly absolutePrefixes: readonly string[]
  /** Source paths that were symlinks on the server: followed once and recorded in the index. */
  readonly roots: readonly { readonly path: Buffer; readonly link: Buffer }[]
  /** The paths that were captured, where others than the config's own; relative to the deployment, or absolute. */
  readonly paths?: readonly string[]
}

export interface Amendment {
  readonly flags?: readonly IndexFlag[]
  /** The part (see {@link CaptureArchive.part}) whose copy of the member counts. */
  readonly replacedBy?: string
}

/**
 * A source while it is being captured. Order of calls: iterate `archives()` to the end, finishing each one
 * before asking for the next; then `finish()`; then dispose. Disposing puts back what was changed on the
 * server and is safe at any moment, also after an error.
 */
export interface Capture extends AsyncDisposable {
  archives(): AsyncIterable<CaptureArchive>
  finish(): Promise<CaptureOutcome>
}

/** One kind of source, as pull knows it. */
export interface CapturableSource<C extends SourceConfig = SourceConfig> {
  /**
   * Looks at the source as {@link capture} does, over SFTP too, and changes nothing. Throws what keeps it from being
   * captured, as far as that can be seen.
   */
  look(context: CaptureContext, config: C): Promise<void>
  /** Prepares and starts the capture. Throws SourceError when the source can't be captured as configured. */
  capture(context: PullContext, config: C): Promise<Capture>
  /**
   * Like {@link capture}, from a server without a shell (`probe.access` is `sftp`); absent for kinds that have to run
   * something there.
   */
  captureOverSftp?(context: PullContext, config: C): Promise<Capture>
  /** For kinds that can be captured incrementally. */
  readonly incremental?: IncrementalSource<C>
  /** For kinds with an `exclude`: what each pattern leaves out now. Reads nothing but names. Throws as `capture`. */
  findExcluded?(context: CaptureContext, config: C): Promise<readonly ExcludedNames[]>
}

/** What a pattern leaves out, directories without what is in them. */
export interface ExcludedNames {
  readonly pattern: string
  readonly count: number
  /** A few of the names, as members, safe to print. */
  readonly names: readonly string[]
}

/** A kind whose changes can be captured alone. */
export interface IncrementalSource<C extends SourceConfig = SourceConfig> {
  /** What was counted in all that is captured, as facts of the kind. */
  facts(counts: TreeCounts): Facts
  /** Whether the server has the tools that this takes. */
  canList(context: CaptureContext): boolean
  /** Looks at where the source is. Throws SourceError when it can't be captured as configured. */
  open(context: CaptureContext, config: C): Promise<ListableSource>
}

/** A source that was looked at, and can be listed and then captured. */
export interface ListableSource {
  /**
   * Every entry with its stat, in no order and in constant memory; proven when the generator ended. Throws SourceError
   * or RemoteError. Take it before what it describes is captured: then what changes in between is sent next time.
   */
  list(): AsyncGenerator<ListedEntry>
  /**
   * Like {@link CapturableSource.capture}, of these entries only; of a full that is all that was listed. Tails that
   * could not be proven come whole, in a later part; a tail's member that is not to be used has an amendment with
   * `replacedBy`.
   */
  captureListed(changes: Changes): Capture
}

/** What is captured. */
export interface Changes {
  /**
   * Members to be sent whole, directories without what is in them, each directory before what is in it. Asked for
   * once.
   */
  readonly members: () => AsyncIterable<Buffer>
  /** How many these are. */
  readonly memberCount: number
  readonly tails: readonly FileTail[]
}

/** The tail of a file: the part behind the known one. */
export interface FileTail {
  /** The file's member name. */
  readonly path: Buffer
  /** The pieces of the known part. Each is hashed on the server before the tail is read. */
  readonly pieces: readonly { readonly size: number; readonly sha256: string }[]
  /** Bytes behind the known part. */
  readonly length: number
  /** The member that the tail becomes, and its header as it stands in a tar. */
  readonly member: Buffer
  readonly header: Buffer
}

/** The context of a restore. The source owns nothing in it. */
export interface RestoreContext {
  readonly host: RemoteHost
  readonly probe: HostProbe
  readonly privilege: Privilege | undefined
  readonly secret: ResolveSecret
  /** Looks for a container of this host. */
  readonly findContainer: SearchContainer
  /** The Compose file or `.env` of the same snapshot comes with it: services start as the snapshot's, not as now. */
  readonly renews?: boolean | undefined
  /** What starts the services, as the config says: one line of sh, or units of systemd. */
  readonly starter?: { readonly line: string } | { readonly units: readonly string[] } | undefined
  readonly step: (text: string) => void
  readonly signal: AbortSignal
}

/** What a source has to say before a restore of it begins. */
export interface RestorePreflight {
  /** A `failed` one stops the restore before anything is touched. */
  readonly findings: readonly Finding[]
  /** For the plan, a sentence each: which persistence form is written, and why. */
  readonly notes: readonly string[]
}

/** The whole of a source's directory, unpacked and proven beside the target, not yet in place. */
export interface StagedSource {
  /** Absolute path of the staged root, the directory that will become the target. */
  readonly staged: string
  /** Absolute path it will have. */
  readonly target: string
}

/**
 * How a kind is put back beyond its files. Order of calls: `preflight` before anything is touched; `arrange` when
 * the files are staged and their hashes proven; `check` when the data services run again.
 */
export interface RestorableSource<C extends SourceConfig = SourceConfig, F extends Facts = Facts> {
  preflight(context: RestoreContext, config: C, facts: F): Promise<RestorePreflight>
  /** Brings the staged tree into the form that the target's next start loads. Touches nothing outside `staged`. */
  arrange?(context: RestoreContext, config: C, facts: F, place: StagedSource): Promise<void>
  /** Compares what runs with the facts; a `failed` finding rolls the restore back. */
  check(context: RestoreContext, config: C, facts: F): Promise<readonly Finding[]>
  /** What the file in its directory is called that was captured as a `stream`. */
  readonly streamFile?: string
}

/** What of a source is loaded into a server that runs: names there, that the kind chose. */
export interface LoadTarget {
  /** The file of its archive. */
  readonly archive: string
  readonly target: string
  /** Where it is loaded, beside the target. */
  readonly staged: string
  /** Where the old is kept once the new is at the target. */
  readonly aside: string
  /** Where the new goes when that is undone. */
  readonly failed: string
  /** Something is at the target. */
  readonly exists: boolean
}

/** A server that runs, and that dumps are loaded into. */
export interface LoadableServer {
  /** `version` is what it is compatible with, `name` what it calls itself. */
  readonly version: { readonly name: string; readonly version: string }
  /** The names in it that a source like this one may put something at. */
  readonly names: readonly string[]
}

/**
 * How a kind is put back that is loaded into a server that runs, beside what is there, and switched by that server's own
 * renames. Order of calls: `preflight`, `targets` and `loader` before anything is touched; `load` of every target;
 * `check` when all are switched.
 */
export interface LoadableSource<C extends SourceConfig = SourceConfig, F extends Facts = Facts> {
  /** The code of the SourceError that says that its server does not run. */
  readonly downCode: string
  /** What its server is and has, whatever was captured. Throws SourceError, with {@link downCode} where it does not run. */
  look(context: RestoreContext, config: C): Promise<LoadableServer>
  preflight(context: RestoreContext, config: C, facts: F): Promise<RestorePreflight>
  /** What each archive becomes. `id` is the restore's: names with it are used by no other. */
  targets(
    context: RestoreContext,
    config: C,
    facts: F,
    wanted: { readonly id: string; readonly archives: readonly ManifestArchive[] },
  ): Promise<readonly LoadTarget[]>
  /**
   * The script that renames, removes and looks in the server, as restore/scripts/lib/load.sh asks it. It stays in the
   * journal, so that it undoes the restore when we are gone: it must hold no secret, see {@link secret}. `swaps`: it puts the
   * new in the place of the old, and back, at once.
   */
  loader(
    context: RestoreContext,
    config: C,
    target: LoadTarget,
  ): Promise<{
    readonly script: string
    readonly args: readonly string[]
    readonly swaps?: boolean | undefined
  }>
  /**
   * The secret that the loader reads on its stdin, as one line; absent or undefined where it takes none. The journal names
   * the source: whoever undoes or discards the restore later asks for the secret again.
   */
  secret?(config: C): SecretReference | undefined
  /** Loads a dump into `target.staged`, to its end. Throws what keeps it from being whole; the driver removes it then. */
  load(context: RestoreContext, config: C, facts: F, target: LoadTarget, dump: Readable): Promise<void>
  /** Compares what is at the targets with the facts; a `failed` finding rolls the restore back. */
  check(context: RestoreContext, config: C, facts: F): Promise<readonly Finding[]>
  /** Of a restore that only adds rows: what became of them, when all are switched. */
  merged?(context: RestoreContext, config: C, target: LoadTarget): Promise<readonly MergedTable[]>
}

/** A restore that only adds, for a kind whose data is not its files. */
export interface MergingSource<C extends SourceConfig = SourceConfig, F extends Facts = Facts> {
  preflight(context: RestoreContext, config: C, facts: F): Promise<RestorePreflight>
  /**
   * Adds what the target does not have. Each addition is in the journal (an absolute path on the server, in a
   * directory that is there) before it is made. `staged` is used up. `target`: where it would be put in place. Of a source of
   * several paths it is called for each; their journals are called alike, with a dot and a number behind.
   */
  merge(
    context: RestoreContext,
    config: C,
    facts: F,
    place: { readonly staged: string; readonly journal: string; readonly target: string },
  ): Promise<{
    readonly added: number
    readonly existed: number
    /** Of databases with tables: what became of the rows of each. */
    readonly tables?: readonly MergedTable[]
  }>
  /** Removes what a merge added and nobody has changed since, by its journal; nothing when there is none. */
  unmerge(
    context: RestoreContext,
    config: C,
    journal: string,
  ): Promise<{ readonly removed: number; readonly changed: number; readonly gone: number }>
}
