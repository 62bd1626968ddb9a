import { expect, test } from 'vitest'
import { dataMemory, parseMemory } from '../../../../src/sources/redis/memory.ts'

test('sizes as a config of Redis has them', () => {
  expect(['0', '100', '1k', '1KB', '3mb', '2g', '1gb'].map(parseMemory)).toEqual([
    0,
    100,
    1000,
    1024,
    3 * 1024 ** 2,
    2e9,
    1024 ** 3,
  ])
  expect(['', '50%', '$MEMORY', '1 mb', '-1'].map(parseMemory)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})

test('buffers of clients and replicas are no data', () => {
  const info = (more: Record<string, string>): ReadonlyMap<string, string> => new Map(Object.entries(more))
  expect(
    dataMemory(info({ used_memory: '100', mem_clients_normal: '10', mem_not_counted_for_evict: '5' })),
  ).toBe(85)
  expect(dataMemory(info({}))).toBeUndefined()
})
