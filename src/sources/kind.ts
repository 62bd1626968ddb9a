import type { z } from 'zod'
import type { Fields, Problem, ResolvePath, WrittenPlace } from '../config/contract.ts'
import type { CaptureType, SourceConfig } from '../model/config.ts'
import type { Discovery, FilePattern, ProposedSource } from '../model/discovery.ts'
import type { Facts } from '../model/facts.ts'
import type { SecretReference } from '../model/secret.ts'
import type {
  CapturableSource,
  LoadableSource,
  MergingSource,
  RestorableSource,
  SourceHealth,
} from './contract.ts'

/**
 * One kind of source: all that others must know of it (`sources/<kind>/kind.ts`). What it takes to work with a server is
 * loaded when it is first asked for. Nobody outside of the kind's folder and of registry.ts names a kind.
 */
export interface Kind<C extends SourceConfig = SourceConfig, F extends Facts = Facts> {
  /** As `kind` in the config and in manifests. */
  readonly name: string
  /** In a sentence: `its volume can't be found`. */
  readonly title: string
  readonly config: KindConfig<C>
  /** Where it lies, as configured: relative to the deployment, or absolute. */
  paths(config: C): readonly string[]
  /** The same source, at these paths. */
  movedTo(config: C, paths: readonly string[]): C
  /** For a person: where it lies and how it is captured. */
  describe(config: C): string
  /** Of a kind that is a volume of Docker: its name. Only its server knows where it lies. */
  volume?(config: C): string
  /** Of a kind whose config names secrets: these, by their keys. */
  secrets?(config: C): Readonly<Record<string, SecretReference | undefined>>
  /** Of a kind that leaves out what patterns say: these, in the syntax of model/path-filter.ts. */
  exclude?(config: C): readonly string[]
  /** The source that has these paths and nothing else to be said; absent where paths alone do not describe one. */
  ofPaths?(name: string, paths: readonly string[]): C
  /** The same source, captured by its schema or data alone, or in full; absent where these can't be told apart. */
  capturedAs?(config: C, type: CaptureType): C
  /**
   * The same source with its data under another name, for a restore beside what is live; absent where that can't be. Throws
   * UsageError for a name that its data can't have.
   */
  beside?(config: C, name: string): C
  /**
   * The same source with only these parts of its data, as `--path` names them; absent where data is asked for by the paths of
   * its files. `objects`: what the snapshot holds of it. Throws UsageError for what is not there, or is no part of its own.
   */
  partsOf?(config: C, parts: readonly string[], objects: readonly DumpedObject[]): C
  /**
   * The same source for a restore that only adds rows to a database that is there; absent where that is done otherwise, or
   * not at all.
   */
  mergedInto?(config: C, match: readonly MatchKey[]): C
  /** What was captured is restored as a whole only: there is no `--path`. */
  readonly isWhole?: boolean
  /** What facts of this name (`facts.kind`) say; absent where its facts are another kind's. */
  readonly facts?: KindFacts<F>
  /** How sources of it are found on a server that nobody has described yet; absent where they are not proposed. */
  readonly discovery?: KindDiscovery
  /**
   * What its program keeps beside a file of it, as endings of the file's name. It is of no use, or does harm, beside
   * another content: a restore sets it aside with the file.
   */
  readonly besides?: readonly string[]
  /** Of a kind whose data a server of its own holds. */
  readonly engine?: KindEngine<C, F>
  /** How its server does; absent for kinds without one. */
  health?(): Promise<SourceHealth<C>>
  capture(): Promise<CapturableSource<C>>
  readonly restore: RestoreWay<C, F>
  /** Adds what is missing to what runs; absent where nothing but files can be added. */
  merge?(): Promise<MergingSource<C, F>>
}

/** A unique key by which rows are known, as `--match` names it. */
export interface MatchKey {
  /** `users`, `public.users` or `app.public.users`. */
  readonly table: string
  readonly columns: readonly string[]
}

/** What a dump holds of a database, as the index names it. */
export interface DumpedObject {
  /** What distinguishes its archive: the name of the database. */
  readonly part: string
  readonly name: string
  readonly type: string
  readonly rows?: number | undefined
}

/** What a kind knows of finding its data, for `init`. */
export interface KindDiscovery {
  /** The names under which its server runs. */
  readonly programs?: readonly string[]
  /** Files of the deployment that tell of it. */
  readonly files?: readonly FilePattern[]
  /** It takes what no other kind has taken, and is asked last. */
  readonly takesTheRest?: boolean
  /** Sources of what was found; `taken` has the paths that other sources hold, or nothing can hold. */
  propose(found: Discovery, taken: readonly string[]): readonly ProposedSource[]
}

/** How a kind is put back. */
export type RestoreWay<C extends SourceConfig = SourceConfig, F extends Facts = Facts> =
  /** A tree is put in the place of the old one, while its services are stopped. */
  | { readonly by: 'place'; open(): Promise<RestorableSource<C, F>> }
  /** Dumps are loaded into a server that runs, beside the old data, and switched by renames. */
  | { readonly by: 'load'; open(): Promise<LoadableSource<C, F>> }

/** What the config file says of a source of a kind, beside `kind`, `quiesce` and `retention`. */
export interface KindConfig<C extends SourceConfig = SourceConfig> {
  readonly description: string
  readonly shape: z.ZodRawShape
  /** What spans several keys; paths are relative to the source. The source may be invalid otherwise, too. */
  rules?(source: Fields): readonly Problem[]
  /** What two sources can't both have, as it is written, valid or not. */
  places(source: Fields): readonly WrittenPlace[]
  /** From a valid source of the file: defaults filled in, paths in their one form. */
  normalise(
    input: object,
    common: Pick<SourceConfig, 'name' | 'quiesce' | 'retention'>,
    resolvePath: ResolvePath,
  ): C
}

/** What was counted in a capture, as others judge it. */
export interface KindFacts<F extends Facts = Facts> {
  /** One line of `show`. */
  describe(facts: F): string
  /** What a person compares by, in a report: `db0 5 keys`. */
  counts(facts: F): string
  /** How much there is, in the unit that says most. */
  amount(facts: F): { readonly amount: number; readonly unit: string }
  /** Its server answered when it was captured; absent for kinds without one. */
  wasRunning?(facts: F): boolean
}

/** Where a server of data is found: its Compose service, its container, or its address as seen from the host. */
export type EnginePlace =
  | { readonly service: string }
  | { readonly container: string }
  | { readonly address: string; readonly port: number }
  /** A unix socket, absolute. */
  | { readonly socket: string }

/** A version of a server of data. */
export interface EngineVersion {
  /** What it calls itself: `16.4 (Debian)`. */
  readonly name: string
  /** What it is compatible with: `16.4`. */
  readonly version: string
}

/** What others must know of the server that holds a kind's data. In a config it is named by service, container or address. */
export interface KindEngine<C extends SourceConfig = SourceConfig, F extends Facts = Facts> {
  place(config: C): EnginePlace
  /** Its programs; the first that is there is asked for its `--version`. */
  readonly programs: readonly string[]
  /** What stands right before a password in a command line of its clients; pieces of regular expressions. */
  readonly passwordOptions?: readonly string[]
  parseVersion(said: string): EngineVersion | undefined
  /**
   * Of a kind that is loaded: what a move from one version to another takes. `refused`: it can't be loaded; `rehearse`: it
   * has to be tried first, because more than the version's last digits differ. Undefined: it is as good as the same.
   */
  judgeMove?(from: EngineVersion, to: EngineVersion): 'refused' | 'rehearse' | undefined
  /** The code of what is found of versions: `db-version`. */
  readonly versionCheck: string
  /** The code of the warning that it did not run when it was captured. */
  readonly stoppedCode: string
  /** Everything it has acknowledged is on the disk at any time, or it was stopped. */
  isDurable(facts: F): boolean
  /** When it saved last, as far as a running one told; seconds since the epoch. */
  savedAt(running: F): number
  /** What it had when it stopped is in its files: they are not older than `since`, in seconds since the epoch. */
  isSaved(running: F, stopped: F, since: number): boolean
  /** The facts of one that is stopped, with what only a running one tells. */
  withTold(stopped: F, running: F): F
  /** What to do about one that is stopped and did not save; `host` is its name in the config. */
  readonly unsaved: { readonly code: string; next(host: string): string; readonly durably: string }
  /** The log that it appends each write to, where it has one. */
  readonly log?: {
    /** How its files end. */
    readonly suffix: string
    readonly title: string
    /** How many writes are in a piece of it. */
    countWrites(bytes: Uint8Array): number
    /** What does once more what is in it. */
    readonly replay: string
  }
}
