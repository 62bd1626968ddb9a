import { toIndexEntry } from '../../archive/index-entry.ts'
import type {
  CreateRecordSorter,
  IndexEntry,
  IndexFlag,
  IndexSegment,
  ReadEntry,
  RecordSorter,
  SortedRecord,
} from '../../archive/contract.ts'
import type { CaptureOutcome, FileTail } from '../../sources/contract.ts'
import { TAIL_PREFIX } from './replay-script.ts'

interface Packed {
  readonly part: string
  readonly entry: IndexEntry
}

/** Collects the members of one snapshot's archives of a source while they are read back. Disposing removes its scratch. */
export class OwnMembers implements AsyncDisposable {
  readonly #snapshot: string
  readonly #sorter: RecordSorter<Packed>
  readonly #tails = new Map<string, Packed>()

  constructor(
    snapshot: string,
    scratchPath: string,
    { createSorter }: { readonly createSorter: CreateRecordSorter },
  ) {
    this.#snapshot = snapshot
    this.#sorter = createSorter<Packed>(scratchPath)
  }

  /** Synchronous, in reading order. */
  add(entry: ReadEntry, { part, archive }: { readonly part: string; readonly archive: string }): void {
    const packed = { part, entry: toIndexEntry(entry, { snapshot: this.#snapshot, archive }) }
    const name = entry.path.toString('latin1')
    if (name.startsWith(TAIL_PREFIX)) this.#tails.set(name, packed)
    else this.#sorter.add(entry.path, packed)
  }

  /** The members that count, sorted by path, with the capture's flags. */
  async *amended(outcome: CaptureOutcome): AsyncGenerator<SortedRecord<IndexEntry>> {
    for await (const { key, value } of this.#sorter.sorted()) {
      const amendment = amend(outcome, value.part, key.toString('latin1'))
      if (amendment === 'drop') continue
      yield { key, value: amendment.length === 0 ? value.entry : { ...value.entry, flags: amendment } }
    }
  }

  /** The tails that came and are whole, by their file's path in latin1. */
  tails(outcome: CaptureOutcome, planned: readonly FileTail[]): ReadonlyMap<string, IndexSegment> {
    const found = new Map<string, IndexSegment>()
    for (const { path, member, length } of planned) {
      const name = member.toString('latin1')
      const packed = this.#tails.get(name)
      const [segment] = packed?.entry.segments ?? []
      if (packed === undefined || segment === undefined || segment.length !== length) continue
      if (amend(outcome, packed.part, name) === 'drop') continue
      found.set(path.toString('latin1'), segment)
    }
    return found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sorter[Symbol.asyncDispose]()
  }
}

/** What the capture says of a member (name in latin1): `drop` when a later part holds it, else its flags. */
function amend(outcome: CaptureOutcome, part: string, name: string): 'drop' | readonly IndexFlag[] {
  const amendment = outcome.amendments.get(`${part}\0${name}`) ?? outcome.amendments.get(name)
  if (amendment?.replacedBy !== undefined && amendment.replacedBy !== part) return 'drop'
  const isAbsolute = outcome.absolutePrefixes.some(
    (prefix) => name === prefix || name.startsWith(`${prefix}/`),
  )
  return [...(amendment?.flags ?? []), ...(isAbsolute ? (['absolute'] as const) : [])]
}
