import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { expect, test } from 'vitest'
import { RdbCut } from '../../../../src/sources/redis/rdb/cut.ts'
import { byte, rdb, str } from './rdb-fixture.ts'

const whole = rdb([byte(0), str('k'), str('v'.repeat(100))])

function pieces(bytes: Buffer, step: number): Readable {
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += step) chunks.push(bytes.subarray(at, at + step))
  return Readable.from(chunks)
}

test.each([1, 7, 60, 1000])('what follows an RDB is cut off, in pieces of %i bytes', async (step) => {
  const cut = new RdbCut()
  const [passed] = await Promise.all([
    buffer(cut),
    pipeline(pieces(Buffer.concat([whole, Buffer.alloc(40, 'e')]), step), cut),
  ])
  expect(passed.equals(whole)).toBe(true)
  expect(cut.facts?.bytes).toBe(whole.length)
})

test.each([0, 5, whole.length - 1])('an RDB that ends after %i bytes fails', async (length) => {
  const cut = new RdbCut()
  const passed = buffer(cut)
  passed.catch(() => {})
  await expect(pipeline(pieces(whole.subarray(0, length), 9), cut)).rejects.toThrow('ends too early')
  expect(cut.facts).toBeUndefined()
})
