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
  const path = escaped(Buffer.from(`/${toTar(tail.path.toString('latin1'))}`, 'latin1'))
  return `${[number, path, tail.length, escaped(tail.header), ...pieces].join(' ')}\n`
}

/** Bytes for `printf %b`. A NUL that no octal digit follows needs two characters only; headers are full of them. */
function escaped(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replaceAll(/[^A-Za-z0-9._/-]/g, (char, at: number, text: string) =>
      char === '\0' && !/[0-7]/.test(text.charAt(at + 1))
        ? '\\0'
        : `\\0${char.charCodeAt(0).toString(8).padStart(3, '0')}`,
    )
}
