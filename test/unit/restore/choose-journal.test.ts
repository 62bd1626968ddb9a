import { describe, expect, it } from 'vitest'
import { chooseJournal, supersededBy } from '../../../src/restore/choose-journal.ts'
import type { RestoreJournal } from '../../../src/restore/server/journals.ts'

function journal(id: string, rest: Partial<RestoreJournal>): RestoreJournal {
  return {
    id,
    begunAt: new Date(0),
    state: 'closed',
    how: undefined,
    stuck: undefined,
    migration: undefined,
    targets: [],
    secretsOf: [],
    serviceSecrets: [],
    services: [],
    notes: [],
    discarded: false,
    kept: [],
    ...rest,
  }
}
const done = journal('done', { how: 'done' })
const undone = journal('undone', { how: 'rolled-back' })
const abandoned = journal('abandoned', { how: 'abandoned' })
const open = journal('open', { state: 'swapped' })
const cutover = journal('cutover', { how: 'rolled-back', migration: { role: 'to', host: 'old' } })

describe('which restore a rollback is about', () => {
  it.each([
    ['the last that was done', [undone, done], undefined, 'done', undefined],
    ['one that is open, whatever came behind it', [open, undone], undefined, 'open', undefined],
    ['an older one only with a word about the last', [done, undone], undefined, 'done', 'undone'],
    ['the same behind one that replaced nothing', [done, abandoned], undefined, 'done', 'abandoned'],
    ['the one asked for', [done, undone], 'done', 'done', undefined],
    ['none, where all are undone', [undone], undefined, undefined, 'undone'],
    [
      'a migration that is undone here: the other side may be open',
      [cutover],
      undefined,
      'cutover',
      undefined,
    ],
  ] as const)('%s', (_title, journals, id, chosen, passed) => {
    const found = chooseJournal('prod', journals, id)
    expect([found.journal?.id, found.undone?.id]).toEqual([chosen, passed])
  })

  it('says which there are when the one asked for is not there', () => {
    expect(() => chooseJournal('prod', [done, undone], 'none')).toThrow('prod has no restore none')
    const typo = `${done.id.slice(0, -2)}9Z`
    expect(() => chooseJournal('prod', [done], typo)).toThrow(
      expect.objectContaining({
        details: expect.objectContaining({
          next: `Did you mean "${done.id}"? There are: ${done.id}`,
        }) as unknown,
      }) as Error,
    )
  })
})

describe('what a later migration has made history', () => {
  const moved = (id: string, role: 'from' | 'to', how: RestoreJournal['how'] = 'done') =>
    journal(id, { how, migration: { role, host: 'other' } })

  it.each([
    ['a server that was moved back to', [moved('1', 'from'), moved('2', 'to')], '1', '2'],
    ['the last of all is none', [moved('1', 'from'), moved('2', 'to')], '2', undefined],
    [
      'one that was undone decides nothing',
      [moved('1', 'to'), moved('2', 'from', 'rolled-back')],
      '1',
      undefined,
    ],
    [
      'one that is open may decide',
      [moved('1', 'to'), journal('2', { state: 'kept', migration: { role: 'to', host: 'x' } })],
      '1',
      '2',
    ],
    ['neither does a restore', [moved('1', 'to'), journal('2', { how: 'done' })], '1', undefined],
    ['an own journal that is gone', [moved('2', 'to')], '1', '2'],
  ] as const)('%s', (_what, journals, id, by) => {
    expect(supersededBy(journals, id)?.id).toBe(by)
  })
})
