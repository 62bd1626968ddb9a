import { DamageError, KeyError, type RelayError, VaultError } from '../errors.ts'
import { snapshotTime } from '../model/names.ts'
import { latin1, pathFromJson } from '../model/path-bytes.ts'
import { isStream } from '../model/snapshot.ts'
import { sourceIndex } from '../restore/contents.ts'
import { dumpName, indexParts, type LookDependencies, type LookedAt } from './dependencies.ts'
import { globMatcher } from './glob.ts'
import { listEntries, lookEntry, type LookEntry } from './list-entries.ts'
import { rememberDamage } from '../restore/remember-damage.ts'

/** One version of something that a name stands for, and the snapshots that have it. */
export interface FoundVersion {
  readonly host: string
  /** As the newest of the snapshots has it. */
  readonly entry: LookEntry
  /** Ids, the newest first. */
  readonly snapshots: readonly string[]
}

/** What was found, and what could not be looked into. */
export interface FoundNames {
  /** By host and path, the newest version first. */
  readonly versions: readonly FoundVersion[]
  /** Snapshots that were looked into. */
  readonly looked: number
  readonly failed: readonly {
    readonly host: string
    readonly snapshot: string
    readonly source: string
    readonly error: RelayError
  }[]
}

/**
 * Looks for a name in the indexes of snapshots, retired ones too, the newest first. Versions are told apart by their
 * hash; without one by size and time. An index that can't be read keeps nobody from the others.
 */
export async function findNames(
  pattern: string,
  { hosts, since }: { readonly hosts: readonly string[]; readonly since: Date | undefined },
  dependencies: LookDependencies,
  signal: AbortSignal,
): Promise<FoundNames> {
  const matches = globMatcher(pattern)
  const versions = new Versions()
  const failed: FoundNames['failed'][number][] = []
  let looked = 0
  for (const host of hosts) {
    const all = await dependencies.vault.snapshots(host, { retired: true })
    for (const snapshot of all.toReversed()) {
      if (since !== undefined && snapshotTime(snapshot.id) < since) continue
      looked += 1
      for (const source of snapshot.manifest.sources) {
        signal.throwIfAborted()
        const { index } = source
        if (index === undefined || snapshot.removedFiles.has(index.file)) continue
        try {
          for await (const match of matching({ snapshot, source }, matches, dependencies)) {
            versions.add(host, snapshot.id, match)
          }
        } catch (error) {
          if (!isUnreadable(error)) throw error
          const told = await rememberDamage([{ snapshot, file: index.file }], error, dependencies, signal)
          failed.push({ host, snapshot: snapshot.id, source: source.name, error: told as RelayError })
        }
      }
    }
  }
  return { versions: versions.all.toSorted(byName), looked, failed }
}

/** A name that was found, and what tells its content from another without a hash. */
interface Match {
  readonly entry: LookEntry
  readonly time: string
}

async function* matching(
  at: LookedAt,
  matches: (name: string) => boolean,
  dependencies: LookDependencies,
): AsyncGenerator<Match> {
  const { snapshot, source } = at
  if (isStream(source)) {
    if (!source.archives.some((archive) => matches(latin1(dumpName(archive))))) return
    for (const entry of await listEntries(at, { member: '', roots: [] }, { recursive: true }, dependencies)) {
      if (matches(pathFromJson(entry.path).toString('latin1'))) yield { entry, time: entry.mtime }
    }
    return
  }
  // What an index that turns out to be damaged has told is not believed.
  const found: Match[] = []
  for await (const entry of sourceIndex(snapshot, source, indexParts(dependencies))) {
    if (matches(pathFromJson(entry.path).toString('latin1'))) {
      found.push({ entry: lookEntry(source.name, entry), time: entry.mtimeNs })
    }
  }
  yield* found
}

/** Each distinct version once. The newest snapshots come first. */
class Versions {
  readonly all: { readonly host: string; entry: LookEntry; readonly snapshots: string[] }[] = []
  readonly #byContent = new Map<string, (typeof this.all)[number]>()

  add(host: string, snapshot: string, { entry, time }: Match): void {
    const { source, path, type, link, size, sha256 } = entry
    const key = (content: unknown): string => JSON.stringify([host, source, path, type, link, content])
    if (type === 'directory' || type === 'symlink') return this.#put(host, snapshot, entry, [key('')])
    // A file that was put together of parts has no hash: its size and time say which it is.
    const ofTime = key([size, time])
    const known = this.#byContent.get(ofTime)
    const isOther = sha256 !== undefined && known?.entry.sha256 !== undefined && known.entry.sha256 !== sha256
    this.#put(host, snapshot, entry, [
      ...(sha256 === undefined ? [] : [key(sha256)]),
      ...(isOther ? [] : [ofTime]),
    ])
  }

  #put(host: string, snapshot: string, entry: LookEntry, keys: readonly string[]): void {
    let version = keys.map((key) => this.#byContent.get(key)).find((one) => one !== undefined)
    if (version === undefined) this.all.push((version = { host, entry, snapshots: [] }))
    if (version.entry.sha256 === undefined && entry.sha256 !== undefined)
      version.entry = { ...version.entry, sha256: entry.sha256 }
    if (version.snapshots.at(-1) !== snapshot) version.snapshots.push(snapshot)
    for (const key of keys) if (!this.#byContent.has(key)) this.#byContent.set(key, version)
  }
}

function isUnreadable(error: unknown): error is RelayError {
  return error instanceof DamageError || error instanceof KeyError || error instanceof VaultError
}

function byName(a: FoundVersion, b: FoundVersion): number {
  const key = ({ host, entry }: FoundVersion) =>
    `${host}\0${entry.source}\0${pathFromJson(entry.path).toString('latin1')}`
  return key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0
}
