import { expect, test } from 'vitest'
import { chooseMode, definitionOf } from '../../../src/pull/incremental/mode.ts'
import type { ModeQuestion } from '../../../src/pull/incremental/mode.ts'
import type { Manifest } from '../../../src/model/snapshot.ts'
import type { ListingHeader } from '../../../src/state/contract.ts'
import type { Snapshot } from '../../../src/vault/contract.ts'

function snapshot(id: string, recipients = ['A', 'B']): Snapshot {
  const archive = {
    file: 'logs.tar.zst.gpg',
    bytes: 1,
    plainBytes: 1,
    sha256: '',
    compression: 'zstd',
    recipients,
  }
  const manifest = { sources: [{ name: 'logs', archives: [archive] }] } as unknown as Manifest
  return {
    host: 'prod',
    id,
    manifest,
    manifestHash: `hash of ${id}`,
    removedFiles: new Set(),
    retired: false,
  }
}

const damage = (file: string | undefined) => ({
  at: '2025-11-20T02:00:00Z',
  snapshot: 's1',
  file,
  code: 'hash-differs',
  message: 'it was cut',
})

const last: ListingHeader = {
  format: 1,
  vault: 'v',
  host: 'prod',
  source: 'logs',
  snapshot: 's2',
  manifestHash: 'hash of s2',
  definition: 'd',
  passphrase: null,
  chain: ['s1', 's2'],
  incrementals: 1,
  checkedAt: '2025-11-20T02:00:00Z',
}
const good: ModeQuestion = {
  full: false,
  fullEvery: 30,
  last,
  snapshot: 's3',
  definition: 'd',
  recipients: ['B', 'A'],
  passphrase: null,
  snapshots: [snapshot('s1'), snapshot('s2')],
  problems: [],
}

test('an incremental follows a chain that is whole, retired links included', () => {
  expect(chooseMode(good)).toEqual({ mode: 'incremental' })
  const retired = [{ ...snapshot('s1'), retired: true }, snapshot('s2')]
  expect(chooseMode({ ...good, snapshots: retired })).toEqual({ mode: 'incremental' })
})

test.each<[string, Partial<ModeQuestion>]>([
  ['asked for', { full: true }],
  ['no list', { last: undefined }],
  ['30 incrementals', { last: { ...last, incrementals: 30 } }],
  ['config of the source has changed', { definition: 'other' }],
  ['passphrase has changed', { passphrase: 'other' }],
  ['the clock went back', { snapshot: 's1x' }],
  ['recipients', { recipients: ['A'] }],
  ['recipients', { recipients: [] }],
  ['not in the vault', { snapshots: [snapshot('s1')] }],
  ['not in the vault', { snapshots: [snapshot('s1'), { ...snapshot('s2'), manifestHash: 'other' }] }],
  ['s1, which it would need, is not in the vault', { snapshots: [snapshot('s2')] }],
  [
    'was removed',
    { snapshots: [{ ...snapshot('s1'), removedFiles: new Set(['logs.tar.zst.gpg']) }, snapshot('s2')] },
  ],
  ['does not know', { snapshots: [{ ...snapshot('s1'), unrecorded: true }, snapshot('s2')] }],
  ['encrypted to other recipients', { snapshots: [snapshot('s1', ['A']), snapshot('s2')] }],
  [
    'which it would need, is damaged: it was cut',
    { snapshots: [{ ...snapshot('s1'), damage: [damage('logs.tar.zst.gpg')] }, snapshot('s2')] },
  ],
  [
    'which it would need, is damaged: it was cut',
    { snapshots: [snapshot('s1'), { ...snapshot('s2'), damage: [damage(undefined)] }] },
  ],
  [
    'damaged',
    { problems: [{ host: 'prod', snapshot: 's1', code: 'size-differs', message: 'it is shorter' }] },
  ],
])('a full is taken: %s', (why, change) => {
  const mode = chooseMode({ ...good, ...change })
  expect(mode).toMatchObject({ mode: 'full', reason: expect.stringContaining(why) as string })
})

test('damage of a snapshot outside the chain is no reason', () => {
  const problems = [{ host: 'prod', snapshot: 's0', code: 'missing-file', message: '' }]
  expect(chooseMode({ ...good, problems })).toEqual({ mode: 'incremental' })
})

test('the definition of a source is its paths, its exclude and where the deployment is', () => {
  const config = { kind: 'files' as const, name: 'logs', paths: ['logs'], exclude: [] }
  const is = definitionOf(config, '/app')
  expect(definitionOf({ ...config, name: 'other' }, '/app')).toBe(is)
  expect(definitionOf({ ...config, exclude: ['*.tmp'] }, '/app')).not.toBe(is)
  expect(definitionOf({ ...config, paths: ['logs', 'data'] }, '/app')).not.toBe(is)
  expect(definitionOf(config, '/moved')).not.toBe(is)
})

test('damage of another source is no reason, and of what is damaged or lost the mode says so', () => {
  const [first, second] = good.snapshots
  if (first === undefined || second === undefined) throw new Error('no snapshot')
  const other = { name: 'data', archives: [{ file: 'data.tar.zst.gpg' }] }
  const both = { ...first, manifest: { sources: [...first.manifest.sources, other] } as unknown as Manifest }
  const snapshots = [{ ...both, damage: [damage('data.tar.zst.gpg')] }, second]
  expect(chooseMode({ ...good, snapshots })).toEqual({ mode: 'incremental' })
  expect(chooseMode({ ...good, snapshots: [second] })).toMatchObject({ because: 'lost' })
  const damaged = [{ ...both, damage: [damage('manifest.json')] }, second]
  expect(chooseMode({ ...good, snapshots: damaged })).toMatchObject({ because: 'damaged' })
})

test('nothing builds on a snapshot that a person has given up', () => {
  const snapshots = [{ ...snapshot('s1'), lossAccepted: true }, snapshot('s2')]
  expect(chooseMode({ ...good, snapshots })).toEqual({
    mode: 'full',
    reason: 's1, which it would need, was given up as damaged',
    because: 'damaged',
  })
})
