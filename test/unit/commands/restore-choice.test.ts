import { expect, test } from 'vitest'
import { inOrderOfChoice } from '../../../src/commands/restore.ts'
import type { Snapshot } from '../../../src/vault/contract.ts'

const snapshot = (id: string, purpose: string, complete: boolean): Snapshot =>
  ({ id, retired: false, manifest: { purpose, complete } }) as unknown as Snapshot

test('the newest complete snapshot is offered first, then the newest', () => {
  const made = [
    snapshot('a', 'pull', true),
    snapshot('b', 'pull', true),
    snapshot('c', 'pull', false),
    snapshot('d', 'safety', true),
  ]
  expect(inOrderOfChoice(made).map(({ id }) => id)).toEqual(['b', 'd', 'c', 'a'])
  expect(inOrderOfChoice(made.slice(2)).map(({ id }) => id)).toEqual(['d', 'c'])
})
