import { expect, it } from 'vitest'
import { savesAtStop, unsaved, withLateWrites, withSettings } from '../../../src/migrate/saved.ts'
import type { RedisFacts } from '../../../src/sources/redis/facts.ts'
import type { MigrationPlan } from '../../../src/model/migration-report.ts'
import type { Snapshot } from '../../../src/vault/contract.ts'

function snapshot(facts: Partial<RedisFacts>): Snapshot {
  const redis: RedisFacts = {
    kind: 'redis',
    form: 'rdb',
    loads: 'rdb',
    pointInTime: true,
    stopped: false,
    settings: {},
    ...facts,
  }
  return { manifest: { sources: [{ name: 'redis_data', facts: redis }] } } as unknown as Snapshot
}

/** The sources that were lost. */
function names(...of: Parameters<typeof unsaved>): string[] {
  return unsaved(...of).map(({ source }) => source)
}

const running = snapshot({ settings: { appendonly: 'yes' } })

it('a stopped Redis counts only when its files are of its stop, or an AOF was on', () => {
  const old = snapshot({ stopped: true, lastSave: 99 })
  expect(names(snapshot({}), old, () => 100)).toEqual(['redis_data'])
  expect(names(snapshot({}), snapshot({ stopped: true, lastSave: 100 }), () => 100.5)).toEqual([])
  expect(
    names(running, snapshot({ stopped: true, aof: {} as RedisFacts['aof'], lastSave: 1 }), () => 100),
  ).toEqual([])
  // It did not run before: nothing can have been lost.
  expect(names(snapshot({ stopped: true }), old, () => 100)).toEqual([])
})

it('an idle Redis with an AOF, whose RDB is the newest file, is started with its AOF on the new server', () => {
  const [source] = withSettings(snapshot({ stopped: true }), running).manifest.sources
  expect(source?.facts).toMatchObject({ loads: 'rdb', stopped: true, settings: { appendonly: 'yes' } })
})

it('goes on with what the stop has saved, else with what was pulled before, and says so', () => {
  const run = { plan: { from: 'old', to: 'new' } as MigrationPlan }
  const pulled = snapshot({ lastSave: 100 })
  const saved = withLateWrites(run, pulled, snapshot({ stopped: true, lastSave: 101 }))
  expect(saved.findings).toEqual([])
  expect(saved.snapshot).not.toBe(pulled)
  // Saved by the pull itself.
  const lost = withLateWrites(run, pulled, snapshot({ stopped: true, lastSave: 100 }))
  expect(lost.snapshot).toBe(pulled)
  expect(lost.findings).toMatchObject([{ check: 'late-writes', outcome: 'warning' }])
})

it('was pulled twice while nobody served, although its AOF has it all', () => {
  expect(savesAtStop(running)).toBe(true)
  expect(savesAtStop(snapshot({ stopped: true }))).toBe(true)
  expect(savesAtStop(snapshot({ settings: { appendonly: 'no', save: '3600 1' } }))).toBe(false)
  // CONFIG may be forbidden.
  expect(savesAtStop(snapshot({}))).toBe(false)
})
