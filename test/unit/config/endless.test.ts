import { describe, expect, test } from 'vitest'
import { problemsOf, shown } from './fixture.ts'

describe('a file that would never end', () => {
  test('an alias inside itself is refused', () => {
    expect(shown('a: &a { <<: *a }\n')).toEqual(['-:- : is nested too deeply, or has an alias inside itself'])
  })

  test('aliases that multiply without end are refused', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let i = 1; i < 12; i += 1) lines.push(`a${i}: &a${i} [${`*a${i - 1}, `.repeat(10)}]`)
    expect(shown(lines.join('\n'))).toEqual([
      '-:- : has too many aliases (&name, *name) or an alias inside itself',
    ])
  })

  test('nesting deeper than any config is refused', () => {
    expect(problemsOf('['.repeat(50_000))).not.toEqual([])
  })
})
