import { expect, it } from 'vitest'
import { parseProbe } from '../../../src/remote/probe.ts'

const said = (...records: readonly string[][]): Buffer =>
  Buffer.from(records.map((fields) => `${fields.join('\t')}\n`).join(''))

it('decodes values', () => {
  const probe = parseProbe(
    said(
      ...[
        ['uid', '0'],
        ['deployment', '/a\\0134n\\0012b'],
        ['exists', 'x'],
        ['exists', 'y'],
      ],
      ...[
        ['free-kib', '3'],
        ['version.tar', 'tar (GNU tar) 1.34'],
        ['journal', '7'],
        ['quiesced', '0a1b'],
        ['end', 'yes'],
      ],
    ),
  )
  expect(probe).toMatchObject({
    deployment: '/a\\n\nb',
    freeBytes: 3072,
    tar: 'gnu',
    versions: { tar: '1.34' },
    openJournals: ['7'],
    quiesced: ['0a1b'],
  })
  expect([...(probe?.existing ?? [])]).toEqual(['x', 'y'])
})

it('is no answer without its end', () => {
  expect(parseProbe(said(['uid', '0'], ['home', '/root']))).toBeUndefined()
})

it('never takes an unknown uid for root', () => {
  expect(parseProbe(said(['uid', '-'], ['end', 'yes']))?.uid).toBe(-1)
})
