import { describe, expect, it } from 'vitest'
import { verdict, type SideJournal } from '../../../src/migrate/verdict.ts'
import type { JournalState, RestoreJournal } from '../../../src/restore/server/journals.ts'

function journal(state: JournalState, how?: RestoreJournal['how']): RestoreJournal {
  return {
    id: '20251120T020000Z',
    begunAt: new Date(0),
    state,
    how,
    migration: undefined,
    stuck: undefined,
    targets: [],
    secretsOf: [],
    serviceSecrets: [],
    services: [],
    notes: [],
    discarded: false,
    kept: [],
  }
}
const GIVEN_UP = journal('closed', 'done')
const BACK = journal('closed', 'rolled-back')
const KEPT = journal('kept')
const DONE = journal('closed', 'done')

describe('what settles a migration', () => {
  it.each<[string, SideJournal, SideJournal, object]>([
    ['FROM given up, TO kept: forward', GIVEN_UP, KEPT, { action: 'finish' }],
    ['FROM serves, TO kept: TO is undone', BACK, KEPT, { action: 'undo', to: true, from: false }],
    ['FROM left stopped, TO kept: back', journal('stopped'), KEPT, { action: 'undo', to: true, from: true }],
    [
      'FROM left stopped, TO half',
      journal('stopped'),
      journal('swapping'),
      { action: 'undo', to: true, from: true },
    ],
    [
      'FROM left stopped, TO untouched',
      journal('writers-stopped'),
      'absent',
      { action: 'undo', to: false, from: true },
    ],
    ['both done: taken back as a whole', GIVEN_UP, DONE, { action: 'undo', to: true, from: true }],
    ['taking back was cut off behind TO', GIVEN_UP, BACK, { action: 'undo', to: false, from: true }],
    ['taking back was cut off in TO', GIVEN_UP, journal('undoing'), { action: 'undo', to: true, from: true }],
    ['both settled', BACK, BACK, { action: 'nothing' }],
    ['FROM serves, TO has no journal', BACK, 'absent', { action: 'nothing' }],
  ])('%s', (_what, from, to, expected) => {
    expect(verdict(from, to)).toEqual(expected)
  })

  it('does not take back what the new server can not be undone from: its old data was discarded', () => {
    expect(verdict(GIVEN_UP, { ...DONE, discarded: true })).toMatchObject({ action: 'refuse', back: true })
  })

  it('starts FROM when TO can not be asked, and says so', () => {
    for (const from of [GIVEN_UP, journal('stopped')])
      expect(verdict(from, 'unreachable')).toMatchObject({
        action: 'undo',
        from: true,
        warning: expect.stringContaining('can not be asked') as string,
      })
  })

  it('never stops TO while FROM can not be asked', () => {
    expect(verdict('unreachable', KEPT)).toMatchObject({ action: 'refuse' })
    expect(verdict('unreachable', DONE)).toMatchObject({ action: 'refuse' })
    expect(verdict('gone', DONE)).toMatchObject({ action: 'refuse' })
    expect(verdict('gone', KEPT)).toEqual({ action: 'finish' })
    expect(verdict('unreachable', journal('swapping'))).toMatchObject({
      action: 'undo',
      to: true,
      from: false,
    })
  })
})
