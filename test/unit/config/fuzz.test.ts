import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { ConfigError, UsageError } from '../../../src/errors.ts'
import { errorToJson, renderError } from '../../../src/report/render-error.ts'
import { HEAD, parse } from './fixture.ts'

const EXAMPLE = readFileSync(new URL('../../../hosts.example.yaml', import.meta.url), 'utf8')

/** What a config's text leads to: nothing, or an expected error with its renderings. */
function outcome(text: string): string {
  try {
    parse(text)
    return ''
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof UsageError)) throw error
    return `${renderError(error, { color: false, verbose: true })}${JSON.stringify(errorToJson(error))}${error.stack ?? ''}`
  }
}

test('no edit of a config makes anything but an expected error', () => {
  const piece = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom(
      ': ',
      '\n',
      '- ',
      '&a ',
      '*a',
      '!x ',
      '{',
      '}',
      '[',
      ']',
      '"',
      "'",
      '\t',
      '|',
      '>',
      '<<: ',
      '? ',
      '---\n',
      '#',
      '%',
      '@',
      '\0',
      '\uFEFF',
      '~',
      '0x',
      '1e999',
      '__proto__: ',
    ),
  )
  const edit = fc.record({ at: fc.nat(EXAMPLE.length), remove: fc.nat(30), insert: piece })
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      let text = EXAMPLE
      for (const { at, remove, insert } of edits) text = text.slice(0, at) + insert + text.slice(at + remove)
      outcome(text)
    }),
    { numRuns: 150 },
  )
})

test('no data at all makes anything but an expected error', () => {
  const keys = fc.constantFrom(
    'version',
    'vault',
    'encryption',
    'hosts',
    'defaults',
    'ssh',
    'sources',
    'kind',
    'path',
    'paths',
    'password',
    'services',
    'manager',
    'retention',
    'constructor',
    'toString',
  )
  const value = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom<unknown>(null, true, 1, 'files', 'redis', 'compose', 'x'),
      fc.string(),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(keys, tie('node'), { maxKeys: 6 }),
    ),
  })).node
  fc.assert(
    fc.property(value, (data) => {
      outcome(stringify(data))
    }),
    { numRuns: 300 },
  )
})

test('a secret written where its place belongs is never repeated, whatever it looks like', () => {
  const secretText = fc
    .oneof(
      fc.string({ minLength: 6, maxLength: 24 }),
      fc
        .constantFrom('*', '!', '&', '@', '%', '{', '[', '"', "'", '|', '- ', ': ')
        .chain((first) => fc.string({ minLength: 6, maxLength: 12 }).map((rest) => `${first}${rest}`)),
    )
    .map((text) => `Zq7${text.replaceAll(/[\r\n]/g, '')}`)
  const places = [
    (secret: string) => `${HEAD}hosts: { a: { ssh: { host: h, password: ${secret} } } }\n`,
    (secret: string) => `${HEAD}hosts:\n  a:\n    ssh:\n      host: h\n      password: ${secret}\n`,
    (secret: string) =>
      `${HEAD}hosts:\n  a:\n    ssh: h\n    sources:\n      r:\n        kind: redis\n        path: r\n        password: ${secret}\n`,
    (secret: string) =>
      `version: 1\nvault: v\nencryption:\n  passphrase: ${secret}\nhosts: { a: { ssh: h } }\n`,
    (secret: string) => `${HEAD}hosts: { a: { ssh: "me:${secret}@host" } }\n`,
  ]
  fc.assert(
    fc.property(secretText, fc.constantFrom(...places), fc.boolean(), (secret, place, special) => {
      const written = special ? secret.slice(3) + secret.slice(0, 3) : secret
      expect(outcome(place(written))).not.toContain(written)
    }),
    { numRuns: 300 },
  )
})
