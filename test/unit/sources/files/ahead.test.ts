import { describe, expect, it } from 'vitest'
import { ahead } from '../../../../src/sources/files/ahead.ts'

async function* numbers(count: number): AsyncGenerator<number> {
  for (let number = 0; number < count; number += 1) {
    await Promise.resolve()
    yield number
  }
}

const later = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

describe('ahead', () => {
  it('gives results in order, however they come, and has no more under way than it may', async () => {
    let running = 0
    let most = 0
    const work = async (number: number) => {
      running += 1
      most = Math.max(most, running)
      await later((number * 7) % 5)
      running -= 1
      return number
    }
    const seen: number[] = []
    for await (const number of ahead(numbers(40), 8, work)) seen.push(number)
    expect(seen).toEqual(Array.from({ length: 40 }, (_, at) => at))
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(9)
  })

  it('fails at the place of what failed, and when the items fail', async () => {
    const seen: number[] = []
    const run = async (items: AsyncIterable<number>) => {
      const work = (number: number) =>
        number === 3 ? Promise.reject(new Error('three')) : Promise.resolve(number)
      for await (const number of ahead(items, 8, work)) seen.push(number)
    }
    await expect(run(numbers(10))).rejects.toThrow('three')
    expect(seen).toEqual([0, 1, 2])
    async function* broken(): AsyncGenerator<number> {
      yield* numbers(2)
      throw new Error('no more')
    }
    await expect(run(broken())).rejects.toThrow('no more')
    expect(seen).toEqual([0, 1, 2, 0, 1])
  })

  it('takes no more items when nobody asks any longer', async () => {
    let taken = 0
    async function* endless(): AsyncGenerator<number> {
      for (;;) {
        await Promise.resolve()
        yield (taken += 1)
      }
    }
    for await (const number of ahead(endless(), 4, (item) => Promise.resolve(item))) if (number === 2) break
    const stopped = taken
    await later(5)
    expect(taken).toBe(stopped)
    expect(taken).toBeLessThan(10)
  })
})
