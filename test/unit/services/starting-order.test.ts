import { expect, it } from 'vitest'
import type { ContainerLook } from '../../../src/services/contract.ts'
import { startingOrder } from '../../../src/services/starting-order.ts'

const containers = (dependencies: Readonly<Record<string, readonly string[]>>) =>
  Object.entries(dependencies).map(([service, dependsOn]) => ({
    compose: { service, dependsOn } as unknown as ContainerLook['compose'],
  }))

it('starts what a service depends on before it, over others too, and the rest by name', () => {
  const all = containers({ app: ['proxy'], proxy: ['worker'], worker: ['redis'], cron: [] })
  expect(startingOrder(['app', 'cron', 'proxy', 'worker'], all)).toEqual(['worker', 'proxy', 'app', 'cron'])
  expect(startingOrder(['app', 'worker'], all)).toEqual(['worker', 'app'])
})

it('goes by name where nothing is known, and ends where services depend on each other in a circle', () => {
  expect(startingOrder(['b', 'a', 'a'], [])).toEqual(['a', 'b'])
  expect(startingOrder(['a', 'b'], containers({ a: ['b'], b: ['a'] }))).toEqual(['b', 'a'])
})
