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

  it('sends what is too long for a line in pieces (regression: no dump could be restored over SSH)', () => {
    const script = `echo "${'ü'.repeat(5000)}"`
    const load = { target: 'app', staged: 'new', aside: 'old', failed: 'failed', archive: 'a', exists: true }
    const lines = placementLines({
      units: [],
      loads: [{ ...load, loader: { script, args: ['x'] }, secret: undefined }],
      services: { manager: 'none' },
    })
    for (const line of lines) expect(Buffer.byteLength(line)).toBeLessThan(4000)
    const end = lines.indexOf('part-end')
    const whole = lines.slice(0, end).map((line) => line.slice('part\t'.length))
    expect(whole.join('')).toBe(`load\t1\tapp\tnew\told\tfailed\t-\t${script}\tx`)
  })
})
