import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeFileName, encodeFileName, snapshotId, snapshotTime } from '../../../src/model/names.ts'

describe('a name as a file name', () => {
  test.each([
    ['prod', 'prod'],
    ['a_b-1', 'a_b-1'],
    ['ubuntu@example.com', 'ubuntu%40example%2Ecom'],
    ['../up', '%2E%2E%2Fup'],
    ['Prod', '%50rod'],
    ['ü', '%C3%BC'],
    ['a\nb', 'a%0Ab'],
    ['-', '-'],
    ['', ''],
  ])('%j is %j', (name, file) => {
    expect(encodeFileName(name)).toBe(file)
    expect(decodeFileName(file)).toBe(name)
  })

  test('never leaves its directory, and comes back, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        expect(encodeFileName(name)).toMatch(/^[a-z0-9_%A-F-]*$/)
        expect(decodeFileName(encodeFileName(name))).toBe(name)
      }),
    )
  })

  test('longer than a configured name may be, it is written out all the same', () => {
    expect(encodeFileName('a'.repeat(100))).toBe('a'.repeat(100))
  })
})

describe("a snapshot's id", () => {
  test('is its second in UTC, and stands for it', () => {
    const at = new Date('2025-11-20T02:03:04.999Z')
    expect(snapshotId(at)).toBe('20251120T020304Z')
    expect(snapshotTime('20251120T020304Z').toISOString()).toBe('2025-11-20T02:03:04.000Z')
  })

  test.each(['20251120T020304', 'x20251120T020304Z', '20251120T020304Zx', '2025-11-20', ''])(
    '%j is none',
    (id) => {
      expect(() => snapshotTime(id)).toThrow(new RangeError(`not a snapshot id: ${id}`))
    },
  )
})
