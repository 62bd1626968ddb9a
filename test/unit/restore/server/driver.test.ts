import { describe, expect, it } from 'vitest'
import { placementLines } from '../../../../src/restore/server/driver.ts'

describe('placementLines', () => {
  it('spells out units, what is carried, and services', () => {
    const lines = placementLines({
      units: [
        {
          kind: 'rename',
          target: '/srv/a b',
          staged: undefined,
          aside: '/srv/.relay-backup/rollback-1/1',
          carry: { member: '', patterns: ['*.tmp'], names: [Buffer.from('\xff\n', 'latin1')] },
        },
      ],
      services: { manager: 'command', stop: 'stop\tit', start: 'start' },
    })
    expect(lines).toEqual([
      'unit\t1\trename\t/srv/a b\t-\t/srv/.relay-backup/rollback-1/1',
      'carry\t1\t-\t+-n*.tmp',
      'carry-name\t1\t\\0377\\0012',
      'services\tcommand\tstop\\0011it\tstart\t-',
    ])
  })
})
