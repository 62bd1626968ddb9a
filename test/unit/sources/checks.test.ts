import { expect, test } from 'vitest'
import { RelayError, SourceError } from '../../../src/errors.ts'
import { checkFact, checksProblems, compareChecks, recordChecks } from '../../../src/sources/checks.ts'

const broken = () => Promise.reject(new SourceError('database-query', 'no such table: users'))

test('numbers are kept as they are, and whatever may be somebody’s data only as a hash', () => {
  expect(checkFact('q', ['42'])).toEqual({ query: 'q', says: '42' })
  expect(checkFact('q', ['3|-1.5', '2|null', '1|1e9'])).toEqual({ query: 'q', says: '1|1e9, 2|null, 3|-1.5' })
  expect(checkFact('q', [])).toEqual({ query: 'q', says: 'nothing' })
  for (const rows of [['ann@example.org'], ['1|ann'], ['1; x'], Array<string>(300).fill('1')])
    expect(JSON.stringify(checkFact('q', rows))).toMatch(
      /^\{"query":"q","rows":\d+,"sha256":"[0-9a-f]{64}"\}$/,
    )
})

test('a check that fails at the capture costs no backup, and is compared with nothing', async () => {
  const told: string[] = []
  const signal = new AbortController().signal
  const notice = ({ code }: { readonly code: string }) => void told.push(code)
  const recorded = await recordChecks({ notice, signal }, ['a', 'b', 'c'], (query) =>
    query === 'b' ? broken() : Promise.resolve(query === 'a' ? ['1'] : undefined),
  )
  expect(recorded).toEqual({
    facts: [
      { query: 'a', says: '1' },
      { query: 'b', failed: true },
      { query: 'c', unsteady: true },
    ],
    warnings: [
      { code: 'check-failed', count: 1 },
      { code: 'check-unsteady', count: 1 },
    ],
  })
  expect(told).toEqual(['check-failed', 'check-unsteady'])
  const findings = await compareChecks('app', ['a', 'b', 'c', 'd'], recorded.facts, () =>
    Promise.resolve(['1']),
  )
  expect(findings.map(({ check, outcome }) => [check, outcome])).toEqual([
    ['check', 'ok'],
    ['check-unknown', 'warning'],
    ['check-unknown', 'warning'],
    ['check-unknown', 'warning'],
  ])
  // A defect of ours is no failed check.
  const defect = Promise.reject(new TypeError('x'))
  await expect(recordChecks({ notice, signal }, ['a'], () => defect)).rejects.toThrow(TypeError)
})

test.each([
  [['41'], 'says 41, and said 42'],
  [['x'], 'says 1 row, and said 42'],
  [new RelayError('database-query', 'no such table'), 'fails on what was restored: no such table'],
])('what differs refuses the restore, and says how to go on', async (found, says) => {
  const ask = () => (found instanceof Error ? Promise.reject(found) : Promise.resolve(found))
  const [finding] = await compareChecks('app', ['q'], [{ query: 'q', says: '42' }], ask)
  expect(finding).toMatchObject({ check: 'check-differs', outcome: 'failed' })
  expect(finding!.message).toContain(says)
  expect(finding!.next).toContain('take it out of `checks` of app')
})

test('text that differs is told without its content', async () => {
  const recorded = [checkFact('q', ['ann'])]
  const [finding] = await compareChecks('app', ['q'], recorded, () => Promise.resolve(['bob']))
  expect(finding!.message).toBe('the check q says 1 row, and said other values when it was captured')
  expect(await compareChecks('app', ['q'], recorded, () => Promise.resolve(['ann']))).toMatchObject([
    { outcome: 'ok' },
  ])
})

test('they are for a single database', () => {
  expect(checksProblems({ checks: ['q'] }, false, 'databases: [app]')).toMatchObject([{ path: ['checks'] }])
  expect(checksProblems({ checks: ['q'] }, true, '')).toEqual([])
  expect(checksProblems({}, false, '')).toEqual([])
})
