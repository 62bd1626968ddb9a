import { DamageError } from '../errors.ts'
import { pathFromJson, printable } from '../model/path-bytes.ts'
import type { ArchiveName, IndexEntry, IndexSegment } from './contract.ts'
import { NameTable } from './name-table.ts'

const WANTED = 1
const TAKEN = 2

/** What is taken of one archive. Names are those of its members. */
export class WantedMembers {
  readonly name: ArchiveName
  /** Files that are this one member: as many as there are, so only their hashes are kept. */
  readonly #whole = new NameTable()
  #missing = 0
  /** Files that begin with a member and go on elsewhere, by the member's name in latin1. */
  readonly joined = new Map<string, IndexEntry>()
  /** Members that files go on with, by name in latin1. */
  readonly tails = new Map<string, IndexSegment>()

  constructor(name: ArchiveName) {
    this.name = name
  }

  /** Files whose content, or its beginning, has not come yet. */
  get missing(): number {
    return this.#missing + this.joined.size
  }

  addWhole(member: Buffer): void {
    if (this.#whole.get(member) !== 0) throw twice(member)
    this.#whole.set(member, WANTED)
    this.#missing += 1
  }

  /** True once for each member that was added. */
  takeWhole(member: Buffer): boolean {
    const state = this.#whole.get(member)
    if (state === TAKEN) throw twice(member)
    if (state !== WANTED) return false
    this.#whole.set(member, TAKEN)
    this.#missing -= 1
    return true
  }
}

/** Which archives hold the content of the wanted files, and what of them it is. */
export class WantedContent {
  readonly #archives = new Map<string, WantedMembers>()

  /** A file of at least one segment. Throws DamageError. */
  add(entry: IndexEntry): void {
    const [first, ...rest] = entry.segments ?? []
    if (first === undefined) throw new RangeError('a file without content is not in an archive')
    const path = pathFromJson(entry.path)
    const member = pathFromJson(first.member)
    const beginning = this.#of(first)
    if (rest.length === 0 && first.offset === 0 && member.equals(path)) {
      beginning.addWhole(path)
      return
    }
    insistOnWhole(path, first)
    putNew(beginning.joined, member, entry)
    for (const tail of rest) {
      insistOnWhole(path, tail)
      putNew(this.#of(tail).tails, pathFromJson(tail.member), tail)
    }
  }

  /** Oldest snapshot first. */
  archives(): WantedMembers[] {
    return [...this.#archives].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, wanted]) => wanted)
  }

  #of({ snapshot, archive }: ArchiveName): WantedMembers {
    const key = archiveKey({ snapshot, archive })
    let wanted = this.#archives.get(key)
    if (wanted === undefined) {
      wanted = new WantedMembers({ snapshot, archive })
      this.#archives.set(key, wanted)
    }
    return wanted
  }
}

/** A text that stands for an archive. */
export function archiveKey({ snapshot, archive }: ArchiveName): string {
  return `${snapshot}/${archive}`
}

/** Where a segment of the content is, as a text that stands for it. */
export function segmentKey(segment: IndexSegment): string {
  return `${archiveKey(segment)}\0${pathFromJson(segment.member).toString('latin1')}`
}

function insistOnWhole(path: Buffer, { offset }: IndexSegment): void {
  if (offset === 0) return
  throw new DamageError('index-segment', `${printable(path)} begins in the middle of a member`, {
    next: 'Use the newer version of relay-backup that wrote it.',
  })
}

function putNew<T>(map: Map<string, T>, member: Buffer, value: T): void {
  const key = member.toString('latin1')
  if (map.has(key)) throw twice(member)
  map.set(key, value)
}

function twice(member: Buffer): DamageError {
  return new DamageError(
    'hostile-duplicate',
    `The member ${printable(member)} is there twice; it is refused`,
    {
      next: 'relay-backup writes no such archive. Find out who could write to the vault before you trust it.',
    },
  )
}
