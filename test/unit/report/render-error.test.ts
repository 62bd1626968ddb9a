import { expect, test } from 'vitest'
import { ConnectionError, SourceError } from '../../../src/errors.ts'
import { errorToJson, renderError } from '../../../src/report/render-error.ts'

const plain = { color: false }
const error = new SourceError('tar-failed', 'can’t be read\x1b[2J', {
  host: 'prod',
  source: 'logs',
  command: 'tar on the server',
  exitStatus: 2,
  stderr: 'tar: \x07bell\ntar: Exiting\n',
  next: 'Set sudo: true for this host',
  cause: new Error('beneath', { cause: 'the bottom' }),
})

test('an expected error: where, what, the remote tool’s words, the next step, no control characters', () => {
  expect(renderError(error, plain)).toBe(`error: prod/logs: can’t be read\\x1b[2J
  ran: tar on the server (exit status 2)
  | tar: \\x07bell
  | tar: Exiting
Next: Set sudo: true for this host
`)
})

test('--verbose adds the causes, with the next step still last', () => {
  const text = renderError(error, { ...plain, verbose: true })
  expect(text).toMatch(/caused by: Error: beneath\n +at /)
  expect(text).toMatch(/caused by: the bottom\nNext: Set sudo/)
})

test('causes in a circle come to an end', () => {
  const first = new SourceError('a', 'first')
  first.cause = new Error('second', { cause: first })
  expect(renderError(first, { ...plain, verbose: true }).match(/caused by/g)?.length).toBeLessThan(10)
})

test('several errors at once are all shown', () => {
  const several = new AggregateError([
    error,
    new ConnectionError('refused', 'nothing listens', { host: 'b' }),
  ])
  expect(renderError(several, plain)).toMatch(/^error: prod\/logs:[^]*\nerror: b: nothing listens\n$/)
})

test('a defect keeps its stack and asks for a report', () => {
  expect(renderError(new TypeError('oops'), plain)).toMatch(
    /^internal error: TypeError: oops\n +at [^]*please report/,
  )
  expect(renderError('text', plain)).toMatch(/^internal error: text\n/)
})

test('for programs', () => {
  expect(errorToJson(error)).toMatchObject({ error: { code: 'tar-failed', host: 'prod', exitStatus: 2 } })
  expect(JSON.stringify(errorToJson(error))).not.toContain('beneath')
  expect(errorToJson(new TypeError('oops'))).toEqual({ error: { code: 'internal', message: 'oops' } })
})
