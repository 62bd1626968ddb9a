import { Readable } from 'node:stream'
import type { PackedMember, PackTar } from './contract.ts'
import { END_OF_ARCHIVE, paddingOf } from './tar-header.ts'
import { encodeTarHeader, tarPadding } from './tar-writer.ts'
import { formatCount, formatNumber } from '../model/units.ts'

/**
 * A member up to this size goes out as one chunk, so that each of thousands of small members costs one chunk and not
 * three.
 */
const SMALL = 64 * 1024

/** See {@link PackTar}. */
export const packTar: PackTar = (members) =>
  Readable.from(pack(members), { objectMode: false, highWaterMark: 1024 * 1024 })

async function* pack(members: AsyncIterable<PackedMember>): AsyncGenerator<Buffer> {
  for await (const { entry, content } of members) {
    const header = encodeTarHeader(entry)
    if (entry.size === 0 && content === undefined) {
      yield header
      continue
    }
    const small: Buffer[] | undefined = entry.size <= SMALL ? [header] : undefined
    if (small === undefined) yield header
    let length = 0
    for await (const chunk of content ?? []) {
      length += chunk.length
      if (length > entry.size) break
      if (small === undefined) yield chunk
      else small.push(chunk)
    }
    if (length !== entry.size)
      throw new RangeError(`a member of ${formatCount(entry.size, 'byte')} came with ${formatNumber(length)}`)
    if (small !== undefined) yield Buffer.concat([...small, tarPadding(entry.size)])
    else if (paddingOf(entry.size) > 0) yield tarPadding(entry.size)
  }
  yield END_OF_ARCHIVE
}
