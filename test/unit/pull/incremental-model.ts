import { createHash } from 'node:crypto'
import type { IndexEntry, IndexSegment, SortedRecord } from '../../../src/archive/contract.ts'
import type { FileStat, ListedEntry } from '../../../src/model/listing.ts'
import { pathFromJson, pathToJson } from '../../../src/model/path-bytes.ts'
import { IndexBook, composeListing } from '../../../src/pull/incremental/compose.ts'
import { whyRatherFull } from '../../../src/pull/incremental/mode.ts'
import { PlanBook, closeHardLinks, planChanges } from '../../../src/pull/incremental/plan.ts'
import type { Decision } from '../../../src/pull/incremental/plan.ts'
import type { ListingRecord } from '../../../src/state/contract.ts'

interface Inode {
  readonly number: number
  readonly type: 'file' | 'directory' | 'symlink'
  content: Buffer
  mode: number
  mtime: number
  ctime: number
}

/** What a path of a tree holds, as a restore would show it. */
export type Shown = string

/** A file system in memory: paths (latin1) to inodes. Its clock ticks in seconds, so edits may share a ctime. */
export class ModelTree {
  readonly names = new Map<string, Inode>()
  clock = 1_000_000
  #inodes = 0

  constructor() {
    this.names.set('r', this.#make('directory', Buffer.alloc(0)))
  }

  write(path: string, content: Buffer, keepMtime: boolean): void {
    const old = this.names.get(path)
    if (old?.type === 'file') {
      old.content = content
      this.#touched(old, keepMtime)
    } else if (old === undefined && this.#parentOf(path) !== undefined) {
      this.#put(path, this.#make('file', content))
    }
  }

  append(path: string, more: Buffer): void {
    const old = this.names.get(path)
    if (old?.type === 'file') this.write(path, Buffer.concat([old.content, more]), false)
  }

  make(path: string, type: 'directory' | 'symlink', target: string): void {
    if (this.names.has(path) || this.#parentOf(path) === undefined) return
    this.#put(path, this.#make(type, Buffer.from(target)))
  }

  chmod(path: string, mode: number): void {
    const inode = this.names.get(path)
    if (inode === undefined) return
    inode.mode = mode
    inode.ctime = this.clock
  }

  remove(path: string): void {
    if (path === 'r') return
    for (const name of [...this.names.keys()]) {
      if (name !== path && !name.startsWith(`${path}/`)) continue
      const inode = this.names.get(name)
      if (inode !== undefined) inode.ctime = this.clock
      this.names.delete(name)
    }
    const parent = this.#parentOf(path)
    if (parent !== undefined) this.#touched(parent, false)
  }

  /** `quiet`: as on file systems where it leaves ctime alone. */
  rename(from: string, to: string, quiet: boolean): void {
    if (from === 'r' || to.startsWith(`${from}/`) || from === to) return
    const inode = this.names.get(from)
    if (inode === undefined || this.#parentOf(to) === undefined || from.startsWith(`${to}/`)) return
    this.remove(to)
    const moved = [...this.names].filter(([name]) => name === from || name.startsWith(`${from}/`))
    for (const [name, each] of moved) {
      this.names.delete(name)
      this.names.set(to + name.slice(from.length), each)
    }
    if (!quiet) inode.ctime = this.clock
    for (const path of [from, to]) {
      const parent = this.#parentOf(path)
      if (parent !== undefined) this.#touched(parent, false)
    }
  }

  link(from: string, to: string): void {
    const inode = this.names.get(from)
    if (inode === undefined || inode.type === 'directory' || this.names.has(to)) return
    if (this.#parentOf(to) === undefined) return
    this.#put(to, inode)
    inode.ctime = this.clock
  }

  list(): ListedEntry[] {
    return this.#sorted().map(([name, inode]) => ({
      path: Buffer.from(name, 'latin1'),
      stat: this.stat(inode),
      settled: Math.max(inode.mtime, inode.ctime) < this.clock - 2,
    }))
  }

  stat(inode: Inode): FileStat {
    return {
      type: inode.type,
      size: inode.content.length,
      mtimeNs: String(BigInt(inode.mtime) * 1_000_000_000n),
      ctimeNs: String(BigInt(inode.ctime) * 1_000_000_000n),
      inode: String(inode.number),
      links: [...this.names.values()].filter((other) => other === inode).length,
      mode: inode.mode,
      uid: 0,
      gid: 0,
    }
  }

  /** The tree as a restore of it must be. */
  shown(): Map<string, Shown> {
    const shown = new Map<string, Shown>()
    for (const [name, inode] of this.#sorted()) {
      const first = this.#sorted().find(([, other]) => other === inode)?.[0] ?? name
      shown.set(name, show(inode.type, inode.mode, inode.mtime, inode.content, first))
    }
    return shown
  }

  #sorted(): [string, Inode][] {
    return [...this.names].sort(([a], [b]) =>
      Buffer.compare(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1')),
    )
  }

  #put(path: string, inode: Inode): void {
    this.names.set(path, inode)
    const parent = this.#parentOf(path)
    if (parent !== undefined) this.#touched(parent, false)
  }

  #parentOf(path: string): Inode | undefined {
    const parent = this.names.get(path.slice(0, Math.max(0, path.lastIndexOf('/'))))
    return parent?.type === 'directory' ? parent : undefined
  }

  #touched(inode: Inode, keepMtime: boolean): void {
    if (!keepMtime) inode.mtime = this.clock
    inode.ctime = this.clock
  }

  #make(type: Inode['type'], content: Buffer): Inode {
    this.#inodes += 1
    return { number: this.#inodes, type, content, mode: 0o644, mtime: this.clock, ctime: this.clock }
  }
}

function show(type: string, mode: number, mtime: number, content: Buffer, first: string): Shown {
  return [type, mode, type === 'symlink' ? '' : mtime, hash(content), type === 'file' ? first : ''].join(' ')
}

/** A vault in memory: what each snapshot's archive holds, and the records of each index. */
export class ModelVault {
  readonly archives = new Map<string, Map<string, Buffer>>()
  readonly listings: ListingRecord[][] = []
  readonly modes: string[] = []
  #number = 0

  /** One pull as the program does it; `meanwhile` happens between the listing and the reading. */
  async pull(tree: ModelTree, meanwhile?: () => void): Promise<void> {
    const listed = tree.list()
    meanwhile?.()
    const previous = this.listings.at(-1) ?? []
    let { decisions, book } = await plan(previous, listed)
    const full = previous.length === 0 || book.replacedDirectories > 0 || whyRatherFull(book) !== undefined
    if (full) ({ decisions, book } = await plan([], listed))
    this.modes.push(full ? 'full' : 'incremental')
    this.listings.push(await this.#capture(tree, decisions, full))
  }

  /** A snapshot put together from its index's segments alone. */
  materialise(number: number): Map<string, Shown> {
    const shown = new Map<string, Shown>()
    const entries = (this.listings[number] ?? []).flatMap((record) =>
      'entry' in record ? [record.entry] : [],
    )
    const content = new Map(entries.map((entry) => [nameOf(entry.path), this.#content(entry)]))
    const groups = new Map<string, string>()
    for (const { path, link, type } of entries) {
      const name = nameOf(path)
      const target = type === 'hardlink' && link !== undefined ? nameOf(link) : name
      groups.set(target, [groups.get(target) ?? name, name].sort(byBytes)[0] ?? name)
    }
    for (const entry of entries) {
      const name = nameOf(entry.path)
      const target = entry.type === 'hardlink' && entry.link !== undefined ? nameOf(entry.link) : name
      const of = entries.find((other) => nameOf(other.path) === target)
      if (of === undefined) throw new Error(`${name} is a hard link to ${target}, which is not there`)
      const type = entry.type === 'hardlink' ? of.type : entry.type
      const bytes = type === 'symlink' ? Buffer.from(nameOf(of.link ?? ''), 'latin1') : content.get(target)
      if (bytes === undefined) throw new Error(`no content of ${name}`)
      shown.set(
        name,
        show(
          type,
          entry.mode,
          Number(BigInt(entry.mtimeNs) / 1_000_000_000n),
          bytes,
          groups.get(target) ?? name,
        ),
      )
    }
    return shown
  }

  #content(entry: IndexEntry): Buffer {
    const parts = (entry.segments ?? []).map((segment) => {
      const bytes = this.archives.get(segment.snapshot)?.get(nameOf(segment.member))
      if (bytes === undefined) throw new Error(`no member ${nameOf(segment.member)} in ${segment.snapshot}`)
      if (hash(bytes) !== segment.sha256 || bytes.length !== segment.length)
        throw new Error('a segment differs')
      return bytes
    })
    return Buffer.concat(parts)
  }

  async #capture(tree: ModelTree, decisions: readonly Decision[], full: boolean): Promise<ListingRecord[]> {
    const snapshot = `s${String(this.#number++).padStart(4, '0')}`
    const archive = new Map<string, Buffer>()
    this.archives.set(snapshot, archive)
    const members: SortedRecord<IndexEntry>[] = []
    const tails = new Map<string, IndexSegment>()
    const packed = new Map<Inode, string>()
    const segment = (member: string, bytes: Buffer): IndexSegment => {
      archive.set(member, bytes)
      return {
        snapshot,
        archive: 'a',
        member: pathToJson(Buffer.from(member, 'latin1')),
        offset: 0,
        length: bytes.length,
        sha256: hash(bytes),
      }
    }
    const pack = (name: string): void => {
      const inode = tree.names.get(name)
      if (inode === undefined) return
      const first = inode.type === 'directory' ? undefined : packed.get(inode)
      packed.set(inode, first ?? name)
      const base = {
        path: pathToJson(Buffer.from(name, 'latin1')),
        mode: inode.mode,
        uid: 0,
        gid: 0,
        owner: '',
        group: '',
        mtimeNs: String(BigInt(inode.mtime) * 1_000_000_000n),
      }
      const entry: IndexEntry =
        first !== undefined
          ? { ...base, type: 'hardlink', size: 0, link: pathToJson(Buffer.from(first, 'latin1')) }
          : inode.type === 'file'
            ? {
                ...base,
                type: 'file',
                size: inode.content.length,
                sha256: hash(inode.content),
                segments: [segment(name, inode.content)],
              }
            : inode.type === 'symlink'
              ? { ...base, type: 'symlink', size: 0, link: pathToJson(inode.content) }
              : { ...base, type: 'directory', size: 0 }
      members.push({ key: Buffer.from(name, 'latin1'), value: entry })
    }
    if (full) for (const { path } of tree.list()) pack(path.toString('latin1'))
    for (const decision of full ? [] : decisions) {
      const name = decision.path.toString('latin1')
      if (decision.action === 'send') pack(name)
      if (decision.action !== 'tail') continue
      const now = tree.names.get(name)?.content
      const old = this.#content(decision.entry)
      const proven = now?.subarray(0, old.length).equals(old) === true && now.length >= decision.listed.size
      if (proven)
        tails.set(name, segment(`tail/${tails.size}`, now.subarray(old.length, decision.listed.size)))
      else pack(name)
    }
    members.sort((a, b) => Buffer.compare(a.key, b.key))
    return all(composeListing('s', each(decisions), each(members), tails, new IndexBook()))
  }
}

async function plan(previous: readonly ListingRecord[], listed: readonly ListedEntry[]) {
  const book = new PlanBook()
  const first = await all(planChanges(each(previous), each(listed), book))
  return { decisions: await all(closeHardLinks(each(first), book)), book }
}

export async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const value of values) list.push(value)
  return list
}

export async function* each<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values
}

function nameOf(path: IndexEntry['path']): string {
  return pathFromJson(path).toString('latin1')
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'))
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
