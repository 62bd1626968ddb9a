import { RelayError, UsageError, abortedBy, DamageError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import { isStream, type ManifestSource } from '../model/snapshot.ts'
import { rememberDamage } from '../restore/remember-damage.ts'
import type { Snapshot } from '../vault/contract.ts'
import type { LookAddress } from './address.ts'
import { sourceNamed } from './address.ts'
import { dumpName, type LookDependencies, type LookedAt } from './dependencies.ts'
import { asDestinationError, Destination, isEmptyDirectory, type StagedFile } from './destination.ts'
import { LocalNames } from './local-names.ts'
import { planExtract, type ExtractPlan, type LeftOut } from './plan-extract.ts'
import { differs, readDump, readFiles } from './read-files.ts'
import { resolvePath, shownAddress, type FoundPath } from './resolve-path.ts'
import { formatNumber } from '../model/units.ts'

/** What is extracted from where to where. */
export interface ExtractRequest {
  readonly snapshot: Snapshot
  /** Empty for all of the snapshot. */
  readonly addresses: readonly LookAddress[]
  /** Absolute. */
  readonly to: string
  /** Files that lie there already are replaced. */
  readonly overwrite: boolean
}

/** What an extraction came to. Names are members', in latin1. */
export interface ExtractReport {
  readonly snapshot: Snapshot
  readonly to: string
  readonly files: number
  readonly bytes: number
  readonly directories: number
  readonly links: number
  readonly leftOut: readonly (LeftOut & { readonly source: string })[]
  /** What has another name here; `as` in latin1. */
  readonly renamed: readonly { readonly source: string; readonly member: string; readonly as: string }[]
  /** What should be here and is not. */
  readonly failed: readonly {
    readonly source: string
    readonly member?: string | undefined
    readonly error: RelayError
  }[]
}

const REMOVED = 'retention has removed it from this snapshot'

/** A source with what of it is wanted. */
interface Chosen extends LookedAt {
  readonly found: readonly FoundPath[]
  /** Absent of a dump. */
  readonly plan?: ExtractPlan
}

/**
 * Writes what a snapshot holds below a directory of this machine. Each file gets its name when its bytes are proven to be
 * those of the index; one that is not is told, and the others go on. Throws before anything is written: UsageError for a
 * path that is not there, KeyError, DamageError when the only index is damaged, RelayError `exists` for what lies there
 * already, unless it may be replaced.
 */
export async function extractSnapshot(
  request: ExtractRequest,
  dependencies: LookDependencies,
  signal: AbortSignal,
): Promise<ExtractReport> {
  const extraction = new Extraction(request, dependencies, signal)
  const chosen = await extraction.choose()
  const isEmpty = await isEmptyDirectory(request.to)
  await using destination = await Destination.open(request.to, request)
  const names = new LocalNames(destination.rules)
  if (!isEmpty && !request.overwrite) await refuseTaken(chosen, names, destination)
  for (const one of chosen) await extraction.extract(one, names, destination)
  return extraction.report
}

class Extraction {
  readonly #request: ExtractRequest
  readonly #dependencies: LookDependencies
  readonly #signal: AbortSignal
  readonly #totals = { files: 0, bytes: 0, directories: 0, links: 0 }
  readonly #leftOut: ExtractReport['leftOut'][number][] = []
  readonly #renamed: ExtractReport['renamed'][number][] = []
  readonly #failed: ExtractReport['failed'][number][] = []

  constructor(request: ExtractRequest, dependencies: LookDependencies, signal: AbortSignal) {
    this.#request = request
    this.#dependencies = dependencies
    this.#signal = signal
  }

  get report(): ExtractReport {
    const { snapshot, to } = this.#request
    return {
      snapshot,
      to,
      ...this.#totals,
      leftOut: this.#leftOut,
      renamed: this.#renamed,
      failed: this.#failed,
    }
  }

  /** Finds everything that was asked for. */
  async choose(): Promise<Chosen[]> {
    const { snapshot, addresses } = this.#request
    const { sources } = snapshot.manifest
    const where = `${snapshot.host}/${snapshot.id}`
    const isThere = ({ index }: ManifestSource) =>
      index !== undefined && !snapshot.removedFiles.has(index.file)
    if (addresses.length === 0)
      for (const { name: source } of sources.filter((one) => !isThere(one)))
        this.#leftOut.push({ source, member: '', why: REMOVED, hostile: false })
    const wanted =
      addresses.length === 0
        ? sources.filter(isThere).map((source) => ({ source, asked: [{ source: source.name, path: '' }] }))
        : [...new Set(addresses.map((one) => sourceNamed(one, sources, where)))].map((source) => ({
            source,
            asked: addresses.filter((one) => one.source === source.name),
          }))
    if (wanted.length === 0) {
      throw new UsageError(`${where} holds nothing to extract`, {
        next: 'Choose another snapshot: relay-backup list',
      })
    }
    const chosen: Chosen[] = []
    for (const { source, asked } of wanted) {
      this.#signal.throwIfAborted()
      try {
        const found: FoundPath[] = []
        for (const one of asked) found.push(await resolvePath({ snapshot, source }, one, this.#dependencies))
        const plan = isStream(source)
          ? undefined
          : await planExtract({ snapshot, source }, found, this.#dependencies)
        chosen.push({ snapshot, source, found, ...(plan === undefined ? {} : { plan }) })
      } catch (error) {
        if (!(error instanceof DamageError) || source.index === undefined) throw error
        const files = [{ snapshot, file: source.index.file }]
        const told = await rememberDamage(files, error, this.#dependencies, this.#signal)
        if (wanted.length === 1) throw told
        this.#failed.push({ source: source.name, error: told as DamageError })
      }
    }
    return chosen
  }

  async extract(chosen: Chosen, names: LocalNames, destination: Destination): Promise<void> {
    if (chosen.plan === undefined) return await this.#extractDumps(chosen, names, destination)
    const source = chosen.source.name
    const { plan } = chosen
    for (const one of plan.leftOut) this.#leftOut.push({ ...one, source })
    for (const { member } of plan.directories) {
      await this.#attempt(source, member, async () => {
        await destination.directory(this.#local(source, member, names))
        this.#totals.directories += 1
      })
    }
    const placed = await this.#extractFiles(chosen, plan, names, destination)
    // Links come last: nothing is written through one.
    for (const { member, target, copy } of plan.hardlinks) {
      if (copy) continue
      await this.#attempt(source, member, async () => {
        if (!placed.has(target)) throw notPlaced(source, target)
        await destination.hardLink(names.of(target), this.#local(source, member, names))
        this.#totals.links += 1
      })
    }
    for (const { member, link, mtime } of plan.symlinks) {
      await this.#attempt(source, member, async () => {
        await destination.symbolicLink(Buffer.from(link, 'latin1'), this.#local(source, member, names), mtime)
        this.#totals.links += 1
      })
    }
    for (const one of plan.directories.toReversed()) {
      await this.#attempt(source, one.member, () => destination.finishDirectory(names.of(one.member), one))
    }
  }

  /** @returns which of the files that hard links point to are there */
  async #extractFiles(
    at: Chosen,
    plan: ExtractPlan,
    names: LocalNames,
    destination: Destination,
  ): Promise<ReadonlySet<string>> {
    const source = at.source.name
    const targets = new Set(plan.hardlinks.map(({ target }) => target))
    const placed = new Set<string>()
    /** Where the content of a member goes: to its own name, or to those of its hard links that are wanted without it. */
    const goals = new Map<string, string[]>()
    for (const { member, target, copy } of plan.hardlinks) {
      if (copy) goals.set(target, [...(goals.get(target) ?? []), member])
    }
    const wanted = new Set([...plan.files, ...goals.keys()])
    const goalsOf = (member: string): readonly string[] =>
      plan.files.has(member) ? [member] : (goals.get(member) ?? [])
    let file: StagedFile | undefined
    try {
      for await (const piece of readFiles(at, wanted, this.#dependencies, this.#signal)) {
        if (piece.kind === 'begin') {
          file = await destination.file()
        } else if (piece.kind === 'bytes') {
          await file?.write(piece.bytes)
        } else {
          const { entry, proven } = piece
          const member = entry.path.toString('latin1')
          const [first = member, ...others] = goalsOf(member)
          const attributes = { mode: entry.mode, mtime: Number(entry.mtimeNs) / 1e9 }
          await this.#attempt(source, first, async () => {
            if (!proven) throw differs(at, member)
            await file?.place(this.#local(source, first, names), attributes)
            this.#totals.files += 1
            this.#totals.bytes += entry.size
            if (targets.has(member)) placed.add(member)
          })
          for (const other of others) {
            await this.#attempt(source, other, async () => {
              if (!placed.has(member)) throw notPlaced(source, first)
              await destination.hardLink(names.of(first), this.#local(source, other, names))
              this.#totals.links += 1
            })
          }
          await file?.[Symbol.asyncDispose]()
          file = undefined
        }
      }
    } catch (error) {
      if (this.#signal.aborted) throw abortedBy(this.#signal)
      const told = error instanceof RelayError ? error : asDestinationError(error, destination.path)
      for (const member of wanted) {
        for (const goal of goalsOf(member)) this.#failed.push({ source, member: goal, error: told })
      }
    } finally {
      await file?.[Symbol.asyncDispose]()
    }
    return placed
  }

  async #extractDumps(at: Chosen, names: LocalNames, destination: Destination): Promise<void> {
    const { source, snapshot, found } = at
    for (const archive of source.archives) {
      const name = dumpName(archive)
      if (!found.some(({ member }) => member === '' || member === name)) continue
      await this.#attempt(source.name, name, async () => {
        await using file = await destination.file()
        for await (const chunk of readDump(at, archive, this.#dependencies, this.#signal)) {
          await file.write(chunk)
        }
        await file.place(this.#local(source.name, name, names), {
          mode: 0o600,
          mtime: Date.parse(snapshot.manifest.createdAt) / 1000,
        })
        this.#totals.files += 1
        this.#totals.bytes += archive.plainBytes
      })
    }
  }

  /** What can't be made is told, and the rest goes on. */
  async #attempt(source: string, member: string, make: () => Promise<void>): Promise<void> {
    if (this.#signal.aborted) throw abortedBy(this.#signal)
    try {
      await make()
    } catch (error) {
      if (this.#signal.aborted) throw abortedBy(this.#signal)
      const told =
        error instanceof RelayError
          ? error
          : asDestinationError(error, printable(Buffer.from(member, 'latin1')))
      this.#failed.push({ source, member, error: told })
    }
  }

  #local(source: string, member: string, names: LocalNames): Buffer {
    const path = names.of(member)
    // What lies in a renamed directory is not told.
    if (lastPart(path.toString('latin1')) !== lastPart(member))
      this.#renamed.push({ source, member, as: path.toString('latin1') })
    return path
  }
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1)
}

function notPlaced(source: string, member: string): RelayError {
  return new RelayError(
    'link-target',
    `the file that it is another name of is not there: ${shownAddress(source, member)}`,
  )
}

/** How many names of what is in the way are shown. */
const SHOWN = 3

async function refuseTaken(
  chosen: readonly Chosen[],
  names: LocalNames,
  destination: Destination,
): Promise<void> {
  const taken: string[] = []
  let count = 0
  const look = async (member: string, type: 'directory' | 'other') => {
    const path = names.of(member)
    if (!(await destination.isTaken(path, type))) return
    count += 1
    if (count <= SHOWN) taken.push(printable(path))
  }
  for (const { plan, source, found } of chosen) {
    for (const { member } of plan?.directories ?? []) await look(member, 'directory')
    for (const member of plan?.files ?? []) await look(member, 'other')
    for (const { member } of plan?.symlinks ?? []) await look(member, 'other')
    for (const { member } of plan?.hardlinks ?? []) await look(member, 'other')
    if (plan !== undefined) continue
    for (const name of source.archives.map(dumpName)) {
      if (found.some(({ member }) => member === '' || member === name)) await look(name, 'other')
    }
  }
  if (count === 0) return
  const more = count > SHOWN ? ` and ${formatNumber(count - SHOWN)} more` : ''
  throw new RelayError(
    'exists',
    `${destination.path} has ${taken.join(', ')}${more} already; nothing was written`,
    {
      next: 'Choose an empty directory with --to, or add --overwrite to replace what is there',
    },
  )
}
