import { describe, expect, it } from 'vitest'
import type { PackedMember, TarEntry } from '../../../src/archive/contract.ts'
import { packTar } from '../../../src/archive/pack-tar.ts'
import { TarReader } from '../../../src/archive/tar-reader.ts'

const entry = (path: string, size: number, type: TarEntry['type'] = 'file'): TarEntry => ({
  path: Buffer.from(path),
  type,
  mode: 0o640,
  uid: 1,
  gid: 2,
  uname: '',
  gname: '',
  size,
  mtimeNs: 1_000_000_000n,
})

async function* chunks(...parts: readonly Buffer[]): AsyncGenerator<Buffer> {
  await Promise.resolve()
  yield* parts
}

async function* list(...members: readonly PackedMember[]): AsyncGenerator<PackedMember> {
  await Promise.resolve()
  yield* members
}

async function read(members: AsyncIterable<PackedMember>): Promise<[string, string][]> {
  const found: [string, string][] = []
  const reader = new TarReader({
    entry: (member) => found.push([member.path.toString(), '']),
    content: (chunk) => (found.at(-1)![1] += chunk.toString()),
    endEntry: () => {},
  })
  for await (const chunk of packTar(members)) reader.write(chunk as Buffer)
  reader.end()
  return found
}

describe('packTar', () => {
  it('packs members small, large and empty, in order', async () => {
    const large = 'x'.repeat(100_001)
    expect(
      await read(
        list(
          { entry: entry('d', 0, 'directory') },
          { entry: entry('d/small', 5), content: chunks(Buffer.from('he'), Buffer.from('llo')) },
          { entry: entry('d/large', large.length), content: chunks(Buffer.from(large)) },
          { entry: entry('d/empty', 0), content: chunks() },
        ),
      ),
    ).toEqual([
      ['d', ''],
      ['d/small', 'hello'],
      ['d/large', large],
      ['d/empty', ''],
    ])
  })

  it('is an archive also without members', async () => {
    expect(await read(list())).toEqual([])
  })

  it.each([3, 5])('fails when a content of %i bytes was to have 4', async (length) => {
    const member = { entry: entry('short', 4), content: chunks(Buffer.alloc(length)) }
    await expect(read(list(member))).rejects.toThrow('a member of 4 bytes came with')
  })
})
