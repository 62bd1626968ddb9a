import { expect, test } from 'vitest'
import type { RestorePlan } from '../../../src/model/restore-report.ts'
import type { RestoreJournal } from '../../../src/restore/server/journals.ts'
import { superseded } from '../../../src/restore/supersede.ts'

const plan = {
  id: 'new',
  units: [{ target: '/app/logs' }, { target: '/app/data' }],
} as unknown as RestorePlan
const journal = (id: string, state: string, ...targets: string[]) =>
  ({ id, state, targets }) as unknown as RestoreJournal

test('a good restore supersedes closed ones of the same paths only', () => {
  const journals = [
    journal('same', 'closed', '/app/data', '/app/logs'),
    journal('part', 'closed', '/app/logs'),
    journal('more', 'closed', '/app/logs', '/app/redis_data'),
    journal('open', 'stopped', '/app/logs'),
    journal('below', 'closed', '/app/logs/app.log'),
    journal('nothing', 'closed'),
    journal('new', 'closed', '/app/logs'),
  ]
  expect(superseded(journals, plan)).toEqual(['same', 'part'])
})
