import { describe, expect, it } from 'vitest'
import { estimateDowntime, type EstimateInput } from '../../../src/migrate/estimate.ts'
import type { RunRecord } from '../../../src/model/run-record.ts'

const run = (day: number, more: Partial<RunRecord> = {}): RunRecord => ({
  operation: 'pull',
  outcome: 'done',
  at: `2025-11-${day}T02:00:00.000Z`,
  finishedAt: `2025-11-${day}T02:00:04.000Z`,
  ...more,
})
const cutover = (day: number, from: string, to: string, seconds: number, bytes = 1000): RunRecord =>
  run(day, { operation: 'migrate', downtime: { seconds, bytes, from, to } })

const estimate = (more: Partial<EstimateInput> = {}) =>
  estimateDowntime({
    from: 'old',
    to: 'new',
    bytes: 1000,
    services: 2,
    hasHealth: true,
    history: { from: [], to: [] },
    ...more,
  })

describe('how long nobody will serve', () => {
  it('is what the last cutover between the two took, in either direction', () => {
    const from = [cutover(10, 'old', 'new', 9), cutover(11, 'new', 'old', 7), cutover(12, 'old', 'third', 50)]
    expect(estimate({ history: { from, to: [] } })).toEqual({
      downtime: 7000,
      by: { run: 'cutover', from: 'new', to: 'old', at: '2025-11-11T02:00:00.000Z', seconds: 7 },
    })
  })

  it('is what any cutover of the one took, else of the other', () => {
    const history = { from: [cutover(12, 'old', 'third', 50)], to: [cutover(13, 'fourth', 'new', 20)] }
    expect(estimate({ history }).downtime).toBe(50_000)
    expect(estimate({ history: { ...history, from: [run(12)] } }).downtime).toBe(20_000)
  })

  it('adds what there is more to move, and takes nothing away', () => {
    const history = { from: [cutover(10, 'old', 'new', 9, 1000)], to: [] }
    expect(estimate({ history, bytes: 1000 + 20_000_000 }).downtime).toBe(10_000)
    expect(estimate({ history, bytes: 0 }).downtime).toBe(9000)
  })

  it('is a guess by the last pull of the old server that was good, which follows how long that took', () => {
    const failed = run(12, { outcome: 'failed', finishedAt: '2025-11-12T03:00:00.000Z' })
    const { downtime, by } = estimate({ history: { from: [run(11), failed], to: [run(14)] } })
    expect(by).toEqual({ run: 'pull', at: '2025-11-11T02:00:00.000Z', seconds: 4 })
    expect(downtime).toBe(8000 + 3000)
  })

  it('is a guess by sizes without any history', () => {
    const small = estimate()
    expect(small.by).toEqual({ run: 'none' })
    expect(estimate({ bytes: 1e9 }).downtime).toBeGreaterThan(small.downtime + 10_000)
    expect(estimate({ hasHealth: false }).downtime).toBeGreaterThan(small.downtime)
  })
})
