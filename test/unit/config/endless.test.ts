import { describe, expect, test } from 'vitest'
import { problemsOf, shown } from './fixture.ts'

const ENDLESS = '-:- : is nested too deeply, or has too many aliases (&name, *name) or one inside itself'

describe('a file that would never end', () => {
  test('an alias inside itself is refused', () => {
    expect(shown('a: &a { <<: *a }\n')).toEqual([ENDLESS])
  })

  test('aliases that multiply without end are refused', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let i = 1; i < 12; i += 1) lines.push(`a${i}: &a${i} [${`*a${i - 1}, `.repeat(10)}]`)
    expect(shown(lines.join('\n'))).toEqual([ENDLESS])
  })

  test('nesting deeper than any config is refused', () => {
    expect(problemsOf('['.repeat(50_000))).not.toEqual([])
  })
})
