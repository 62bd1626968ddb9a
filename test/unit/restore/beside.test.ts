import { expect, test } from 'vitest'
import type { SourceConfig } from '../../../src/model/config.ts'
import { besideConfig, isBeside } from '../../../src/restore/beside.ts'

const files: SourceConfig = { name: 'logs', kind: 'files', paths: ['logs'], exclude: [] }
const host = { name: 'prod', sources: [files] }

test('a target that is no source of the host is a name beside what is live, for databases only', () => {
  expect(isBeside({ host })).toBe(false)
  expect(isBeside({ host, target: 'logs' })).toBe(false)
  expect(isBeside({ host, target: 'log' })).toBe(true)
  expect(() => besideConfig(files, files, host, 'log')).toThrow('prod has no source log')
  const sqlite = { name: 'db', kind: 'sqlite', paths: [], patterns: ['**/*.db'], checks: [] }
  expect(besideConfig(sqlite, sqlite, host, './a//b.db')).toMatchObject({ paths: ['a/b.db'], patterns: [] })
})
