import type { Readable } from 'node:stream'
import { DamageError } from '../errors.ts'
import { type TarHandler, TarReader } from './tar-reader.ts'
import { formatCount } from '../model/units.ts'

/**
 * Walks over a plain tar; after each piece of it the handler's turn to give out what it made of it, with
 * `after`, which may also end the walk early by returning true. Throws DamageError when the tar is damaged, cut, or
 * longer than `plainBytes`.
 */
export async function* walkTar<T>(
  { plain, plainBytes }: { readonly plain: Readable; readonly plainBytes: number },
  handler: TarHandler,
  after: () => Iterable<T> | 'enough',
): AsyncGenerator<T> {
  const reader = new TarReader(handler)
  for await (const chunk of plain as AsyncIterable<Buffer>) {
    if (reader.offset + chunk.length > plainBytes) throw tooLong(plainBytes)
    reader.write(chunk)
    const made = after()
    if (made === 'enough') return
    yield* made
  }
  reader.end()
}

/** For an archive that holds more than its manifest says. */
export function tooLong(plainBytes: number): DamageError {
  return new DamageError(
    'hostile-size',
    `The archive holds more than the ${formatCount(plainBytes, 'byte')} it should`,
    {
      next: 'relay-backup writes no such archive. Find out who could write to the vault before you trust it.',
    },
  )
}
