import { describe, expect, test } from 'vitest'
import { ExpectedMembers } from '../../../../src/sources/tree/expected-members.ts'

const name = (at: number): Buffer => Buffer.from(`data/a name of some length, with é and\nlines ${at}`)
/** Longer than a page of names. */
const long = Buffer.alloc(70_000, 'x')

function asked(names: readonly Buffer[]): ExpectedMembers {
  const expected = new ExpectedMembers()
  for (const one of names) expected.ask(one)
  return expected
}

describe('the members that were asked for', () => {
  test('come in order, however many are on their way', () => {
    const names = Array.from({ length: 20_000 }, (_, at) => (at % 7000 === 5 ? long : name(at)))
    const expected = new ExpectedMembers()
    let taken = 0
    for (const [at, one] of names.entries()) {
      expected.ask(one)
      if (at % 3 === 0) expected.take({ path: names[taken++]! })
    }
    expect(expected.missing).toHaveLength(names.length - taken)
    while (taken < names.length) expected.take({ path: names[taken++]! })
    expect(expected.missing).toEqual([])
  })

  test('are missing when they did not come: in the middle, at a page’s end, and last', () => {
    const names = Array.from({ length: 5000 }, (_, at) => name(at))
    const left = [0, 17, 18, 1399, 1400, 1401, 4999]
    const expected = asked(names)
    for (const [at, path] of names.entries()) if (!left.includes(at)) expected.take({ path })
    expect(expected.missing).toEqual(left.map((at) => name(at).toString('latin1')))
  })

  test('all but one may be missing', () => {
    const names = Array.from({ length: 200_000 }, (_, at) => name(at))
    const expected = asked(names)
    expected.take({ path: names.at(-1)! })
    expect(expected.missing).toHaveLength(199_999)
  })

  test('come once, and whole names only', () => {
    const expected = asked([name(1), name(2), name(3)])
    expected.take({ path: name(1) })
    const wrong = [name(1), name(4), name(2).subarray(1), name(2).subarray(0, -1), Buffer.alloc(0)]
    for (const path of wrong) {
      expect(() => expected.take({ path })).toThrow(expect.objectContaining({ code: 'wrong-members' }))
    }
    expected.take({ path: name(2) })
    expect(expected.missing).toEqual([name(3).toString('latin1')])
  })

  test('tails come in any order', () => {
    const expected = asked([name(1)])
    expected.askTail('a')
    expected.askTail('b')
    expected.take({ path: Buffer.from('b') })
    expected.take({ path: name(1) })
    expect(expected.missing).toEqual([])
    expect([...expected.missingTails]).toEqual(['a'])
  })
})
