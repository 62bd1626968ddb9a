import { Readable } from 'node:stream'
import type { TarEntry } from '../../archive/contract.ts'
import type { Changes } from '../contract.ts'
import type { ChosenCompression } from '../compression-choice.ts'

/** The server's report of one walk over the files. Names are members', in latin1. */
export interface PassReport {
  /** Members that were written to while they were read. */
  readonly changed: readonly string[]
  /** More members changed than could be listed. */
  readonly changedUnlisted: boolean
  readonly vanished: readonly string[]
  readonly sockets: readonly string[]
  /** Did not come, as they may not be read. */
  readonly unreadable: readonly string[]
  /** Files whose extended attributes could not be read. */
  readonly attributes: number
  /** Other words of the tool that did not stop it. */
  readonly remarks: readonly string[]
  /** Numbers of tails whose old part is not as known (they were not sent), or that shrank meanwhile. */
  readonly unprovenTails?: readonly number[]
  readonly shortTails?: readonly number[]
}

/** One tar stream on its way. */
export interface Pass {
  readonly stream: Readable
  /** To be told of each member in order; throws SourceError for one that was not asked for. */
  readonly member?: (entry: TarEntry) => void
  /** The compression, where it is not the packer's own. */
  readonly compression?: ChosenCompression
  /** Waits for the server and judges it. Throws SourceError or RemoteError; quiet after {@link abort}. */
  finish(): Promise<PassReport>
  abort(): void
}

/** How the files of a source are packed on this server. */
export interface Packer {
  readonly compression: ChosenCompression
  /** The stream is several tar archives one behind the other. */
  readonly concatenated: boolean
  /** A warning about the properties that such a copy always lacks. */
  readonly lacks?: { readonly code: string; readonly message: string }
  /** Everything below the roots; absent where it has to be listed first. */
  all?(): Promise<Pass>
  /** Just these members, directories without what is in them. */
  again(members: readonly string[]): Promise<Pass>
  /** What was listed, or what of that changed; only where the tools can do it. */
  changes?(changes: Changes): Promise<Pass>
}

export const NOTHING_SAID: PassReport = {
  changed: [],
  changedUnlisted: false,
  vanished: [],
  sockets: [],
  unreadable: [],
  attributes: 0,
  remarks: [],
}

/** A tar without members: two blocks of zeros, padded to a record as GNU tar does. The server is not asked for it. */
export function emptyPass(store: ChosenCompression['store']): Pass {
  const stream = Readable.from([Buffer.alloc(20 * 512)], { objectMode: false })
  return {
    stream,
    compression: { wire: 'none', store },
    finish: () => Promise.resolve(NOTHING_SAID),
    abort: () => stream.destroy(),
  }
}

/** What {@link passOf} asks of a packer that makes the stream on this machine. */
interface LocalPacking {
  /** Ends what the stream is made of. */
  readonly stop: () => void
  /** What ended the stream before its time; undefined: nothing did. */
  readonly failure: () => unknown
  /** Asked once the stream was read to its end. */
  readonly report: () => PassReport
}

/** A pass whose tar is put together on this machine. */
export function passOf(stream: Readable, { stop, failure, report }: LocalPacking): Pass {
  let aborted = false
  const abort = (): void => {
    aborted = true
    stop()
    stream.destroy()
  }
  return {
    stream,
    abort,
    finish: () => {
      const error = failure()
      if (error !== undefined && !aborted) return Promise.reject(error as Error)
      if (stream.readableEnded) return Promise.resolve(report())
      abort()
      return Promise.resolve(NOTHING_SAID)
    },
  }
}
