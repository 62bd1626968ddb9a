import { expect, test } from 'vitest'
import { restoresThatStand } from '../../../src/runs/restores-that-stand.ts'
import { endedRun } from '../../lab/ended-run.ts'

const at = (minute: number) => new Date(Date.UTC(2025, 10, 17, 2, minute))
const restore = (minute: number) =>
  endedRun(at(minute), { operation: 'restore', finishedAt: at(minute + 1).toISOString() })

test('a restore that was rolled back later does not stand', () => {
  const rollback = endedRun(at(30), { operation: 'rollback', undoes: '20251117T021005Z' })
  expect(restoresThatStand([restore(0), restore(10), rollback])).toEqual([at(0)])
  expect(restoresThatStand([restore(0), restore(10), { ...rollback, outcome: 'failed' }])).toHaveLength(2)
  expect(restoresThatStand([{ ...restore(0), outcome: 'failed' }])).toEqual([])
})
