import { encodeBytes } from '../../model/talk.ts'
import type { Changes, FileTail } from '../contract.ts'

const BATCH_LENGTH = 64 * 1024

/**
 * What `changes.sh` reads on stdin. `toTar` turns a member's name (latin1) into the name for tar, relative to `/`.
 */
export async function* changesInput(
  { members, tails }: Changes,
  toTar: (name: string) => string,
): AsyncGenerator<Buffer> {
  for (const [number, tail] of tails.entries()) yield Buffer.from(tailLine(number, tail, toTar), 'latin1')
  yield Buffer.from('members\n')
  yield* nameInput(members(), toTar)
}

/** Names for tar's `--null --files-from=-`, in batches. */
export async function* nameInput(
  members: AsyncIterable<Buffer>,
  toTar: (name: string) => string,
): AsyncGenerator<Buffer> {
  let batch: string[] = []
  let length = 0
  for await (const member of members) {
    const name = `${toTar(member.toString('latin1'))}\0`
    batch.push(name)
    length += name.length
    if (length < BATCH_LENGTH) continue
    yield Buffer.from(batch.join(''), 'latin1')
    batch = []
    length = 0
  }
  yield Buffer.from(batch.join(''), 'latin1')
}

export async function* latin1Names(names: readonly string[]): AsyncGenerator<Buffer> {
  for (const name of names) yield await Promise.resolve(Buffer.from(name, 'latin1'))
}

function tailLine(number: number, tail: FileTail, toTar: (name: string) => string): string {
  const pieces = tail.pieces.map(({ size, sha256 }) => `${size}:${sha256}`)
  const path = encodeBytes(Buffer.from(`/${toTar(tail.path.toString('latin1'))}`, 'latin1'))
  return `${[number, path, tail.length, encodeBytes(tail.header), ...pieces].join(' ')}\n`
}
