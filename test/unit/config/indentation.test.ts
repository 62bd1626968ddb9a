import { expect, test } from 'vitest'
import { parseConfig } from '../../../src/config/load.ts'
import { misplacedKey } from '../../../src/config/indentation.ts'
import { ConfigError } from '../../../src/errors.ts'

function said(text: string): string[] {
  try {
    parseConfig(text, '/hosts.yaml', {})
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(
      ({ line, column, message, suggestion }) => `${line}:${column} ${message} (${suggestion})`,
    )
  }
}

const SAME = 'Keys of the same map begin in the same column: here'
test.each([
  [
    'deeper than its sibling',
    'hosts:\n  prod:\n    ssh: x\n      deployment: secret-value\n    sudo: true\n',
    `4:7 the key deployment stands deeper than ssh, which has a value of its own (${SAME} 5 (beside ssh))`,
  ],
  [
    'between two depths',
    'hosts:\n  prod:\n    ssh: x\n   deployment: y\n',
    `4:4 the key deployment stands at column 4, where no map around it has its keys (${SAME} 1 (beside hosts) or 3 (beside prod) or 5 (beside ssh))`,
  ],
  [
    'left of the first key',
    ' version: 1\nvault: x\n',
    `2:1 the key vault stands at column 1, where no map around it has its keys (${SAME} 2 (beside version))`,
  ],
  [
    'below a list, a comment, brackets and a block of text',
    'hosts:\n  prod:\n    tags: [a,\n      b]\n    # note: x\n    deployment: |\n      a: b\n        c: d\n    sources:\n      - x: 1\n        y: 2\n       z: 3\n',
    `12:8 the key z stands at column 8, where no map around it has its keys (${SAME} 1 (beside hosts) or 3 (beside prod) or 5 (beside sources) or 9 (beside y))`,
  ],
])('a key that stands %s is named, with its place, and no value', (_name, text, expected) => {
  expect(said(text)).toEqual([expected])
})

test('a text in order has none', () => {
  const text =
    'a: &x\n  b: 1\n  c:\n  - d: 1\n    e: 2\n  - d: 3\nf: { g: 1,\n  h: 2 }\ni: >-\n    j: k\n  l\nm: 1\n'
  expect(misplacedKey(text)).toBeUndefined()
})
