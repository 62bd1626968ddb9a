import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { createTarJoin } from '../../../src/archive/tar-join.ts'
import { chunked, damageOfAsync, member, readMembers, tarOf } from './support.ts'

function join(chunks: Buffer[]): Promise<Buffer> {
  const joiner = createTarJoin()
  Readable.from(chunks).pipe(joiner)
  return buffer(joiner)
}

const first = tarOf(member('a', 'one'), member('zeros', Buffer.alloc(3000)))
const second = Buffer.concat([tarOf(member('b', 'two')), Buffer.alloc(7 * 512)])
const third = tarOf(member('n'.repeat(200), 'three'))
const all = Buffer.concat([first, second, tarOf(), third])

test('several archives become one, in any chunks', async () => {
  const expected = tarOf(
    member('a', 'one'),
    member('zeros', Buffer.alloc(3000)),
    member('b', 'two'),
    member('n'.repeat(200), 'three'),
  )
  for (const size of [1, 100, 511, 512, 513, 4000, all.length]) {
    expect(await join(chunked(all, size))).toEqual(expected)
  }
  expect(readMembers([expected])).toHaveLength(4)
})

test('a single archive stays as it is', async () => {
  expect(await join([third])).toEqual(third)
})

test('every archive must be whole', async () => {
  expect(await damageOfAsync(join([]))).toBe('tar-truncated')
  expect(await damageOfAsync(join([all.subarray(0, -512)]))).toBe('tar-truncated')
  expect(await damageOfAsync(join([first.subarray(0, -512), second]))).toBe('tar-trailing-data')
  expect(await damageOfAsync(join([first.subarray(0, -1024), second.subarray(0, -8)]))).toBe('tar-truncated')
  expect(await damageOfAsync(join([first, Buffer.from('x')]))).toBe('tar-trailing-data')
})
