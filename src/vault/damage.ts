import { z } from 'zod'
import { SNAPSHOT_ID_PATTERN } from '../model/names.ts'
import type { Damage } from './contract.ts'
import { appendLine, readValues } from './line-file.ts'
import { damageFile } from './paths.ts'

const about = {
  at: z.iso.datetime(),
  snapshot: z.string().regex(SNAPSHOT_ID_PATTERN),
  file: z.string().optional(),
}
const line = z.discriminatedUnion('event', [
  z.looseObject({ ...about, event: z.literal('found'), code: z.string(), message: z.string() }),
  z.looseObject({ ...about, event: z.literal('mended') }),
])

/**
 * The part of a snapshot that nobody can rely on when it has this problem. Parts that can be made anew from the rest do
 * not count.
 */
const LASTING: ReadonlySet<string> = new Set([
  'missing-snapshot',
  'missing-file',
  'size-differs',
  'hash-differs',
  'body-differs',
  'unreadable',
  'manifest-differs',
  'manifest-damaged',
  'not-a-file',
  'not-a-directory',
  'too-large',
])

/**
 * The damage that was found in a host's snapshots and not proven mended since: `damage.jsonl`. It is no part of the
 * ledger, so that whoever finds some can write it down without the lock.
 */
export class DamageBook {
  readonly #file: string
  readonly #known: Map<string, Damage>
  readonly #news: object[] = []
  #hasFound = false

  private constructor(file: string, known: Map<string, Damage>) {
    this.#file = file
    this.#known = known
  }

  static async read(hostDir: string): Promise<DamageBook> {
    const file = damageFile(hostDir)
    const known = new Map<string, Damage>()
    for (const value of await readValues(file)) {
      const { success, data } = line.safeParse(value)
      if (!success) continue
      if (data.event === 'mended') known.delete(keyOf(data.snapshot, data.file))
      else {
        const { at, snapshot, file: name, code, message } = data
        known.set(keyOf(snapshot, name), { at, snapshot, code, message, ...(name && { file: name }) })
      }
    }
    return new DamageBook(file, known)
  }

  /** Of one snapshot; oldest first. */
  of(snapshot: string): Damage[] {
    return [...this.#known.values()].filter((damage) => damage.snapshot === snapshot)
  }

  /** Remembers a problem, if it is one that lasts. */
  found(damage: Damage): void {
    const key = keyOf(damage.snapshot, damage.file)
    if (!LASTING.has(damage.code) || this.#known.get(key)?.code === damage.code) return
    this.#known.set(key, damage)
    this.#hasFound = true
    const { at, ...rest } = damage
    this.#news.push({ at, event: 'found', ...rest })
  }

  /** A file was proven to be what was written; without a file, the snapshot's directory was found again. */
  proven(snapshot: string, file: string | undefined, at: string): void {
    if (!this.#known.delete(keyOf(snapshot, file))) return
    this.#news.push({ at, event: 'mended', snapshot, ...(file === undefined ? {} : { file }) })
  }

  /** Writes down what is new. Throws VaultError where the disk refuses. */
  async save(): Promise<void> {
    for (const news of this.#news.splice(0)) await appendLine(this.#file, news)
  }

  /** Some damage was found that was not known. */
  get hasFound(): boolean {
    return this.#hasFound
  }
}

function keyOf(snapshot: string, file: string | undefined): string {
  return `${snapshot}/${file ?? ''}`
}
