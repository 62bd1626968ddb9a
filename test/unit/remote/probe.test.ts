import { expect, it } from 'vitest'
import { parseProbe } from '../../../src/remote/probe.ts'

it('unescapes values and passes over a login message', () => {
  const probe = parseProbe(
    'Welcome!\nuid=0\ndeployment=/a\\\\n\\nb\nexists=x\nexists=y\nfree-kib=3\nversion.tar=tar (GNU tar) 1.34\njournal=7\nhold=0a1b\nend=yes\n',
  )
  expect(probe).toMatchObject({
    deployment: '/a\\n\nb',
    freeBytes: 3072,
    tar: 'gnu',
    versions: { tar: '1.34' },
    openJournals: ['7'],
    holds: ['0a1b'],
  })
  expect([...(probe?.existing ?? [])]).toEqual(['x', 'y'])
})

it('is no answer without its end', () => {
  expect(parseProbe('uid=0\nhome=/root\n')).toBeUndefined()
})

it('never takes an unknown uid for root', () => {
  expect(parseProbe('uid=\nend=yes\n')?.uid).toBe(-1)
})
