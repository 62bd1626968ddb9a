import { formatCount } from '../model/units.ts'
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { DamageError } from '../errors.ts'
import type { IndexSegment, TreeParts } from './contract.ts'
import { ScratchBytes } from './scratch-bytes.ts'
import type { TarHandler } from './tar-reader.ts'
import { segmentKey } from './wanted-content.ts'
import type { WantedMembers } from './wanted-content.ts'
import { walkTar } from './walk-tar.ts'

/** The proven tails of files, set aside until their files' beginnings come. Disposing removes what was set aside. */
export class Tails implements AsyncDisposable {
  readonly #scratch: ScratchBytes
  /** Where each begins in the scratch, by {@link segmentKey}. */
  readonly #starts = new Map<string, number>()

  private constructor(scratch: ScratchBytes) {
    this.#scratch = scratch
  }

  /** Reads the tails out of the archives. They stand at the front of an archive, so no more of it is read than that. */
  static async gather(
    wanted: readonly WantedMembers[],
    parts: Pick<TreeParts, 'open' | 'scratchPath'>,
  ): Promise<Tails> {
    const having = wanted.filter(({ tails }) => tails.size > 0)
    const path = having.length === 0 ? '' : await parts.scratchPath()
    const tails = new Tails(new ScratchBytes(path))
    try {
      for (const one of having) await tails.#read(one, parts)
      return tails
    } catch (error) {
      await tails[Symbol.asyncDispose]()
      throw error
    }
  }

  read(segment: IndexSegment): AsyncGenerator<Buffer> {
    const start = this.#starts.get(segmentKey(segment))
    if (start === undefined) throw new RangeError('a tail that was not gathered')
    return this.#scratch.read(start, start + segment.length)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scratch[Symbol.asyncDispose]()
  }

  async #read({ name, tails }: WantedMembers, { open }: Pick<TreeParts, 'open'>): Promise<void> {
    const left = new Map(tails)
    let current: { readonly segment: IndexSegment; readonly hash: Hash } | undefined
    const handler: TarHandler = {
      entry: (entry) => {
        const segment = left.get(entry.path.toString('latin1'))
        if (segment === undefined) return
        left.delete(entry.path.toString('latin1'))
        if (entry.type !== 'file' || entry.size !== segment.length) throw segmentDiffers(segment)
        this.#starts.set(segmentKey(segment), this.#scratch.length)
        current = { segment, hash: createHash('sha256') }
      },
      content: (chunk) => {
        if (current === undefined) return
        current.hash.update(chunk)
        this.#scratch.append(chunk)
      },
      endEntry: () => {
        if (current !== undefined && current.hash.digest('hex') !== current.segment.sha256) {
          throw segmentDiffers(current.segment)
        }
        current = undefined
      },
    }
    const enough = (): 'enough' | [] => (left.size === 0 && current === undefined ? 'enough' : [])
    for await (const nothing of walkTar(await open(name), handler, enough)) nothing satisfies never
    if (left.size > 0) throw archiveLacks(name.snapshot, name.archive, left.size)
  }
}

export function segmentDiffers({ snapshot, archive }: IndexSegment): DamageError {
  return new DamageError(
    'segment-differs',
    `${snapshot}/${archive} does not hold what the index says: a part of a file is not as it was captured`,
    { next: 'Restore another snapshot, and run: relay-backup verify --all' },
  )
}

export function archiveLacks(snapshot: string, archive: string, count: number): DamageError {
  return new DamageError(
    'archive-lacks',
    `${snapshot}/${archive} lacks ${formatCount(count, 'file')} that the index names`,
    {
      next: 'Restore another snapshot, and run: relay-backup verify --all',
    },
  )
}
