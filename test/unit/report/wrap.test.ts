import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { KeyError } from '../../../src/errors.ts'
import { renderError } from '../../../src/report/render-error.ts'
import { createReporter } from '../../../src/report/reporter.ts'
import { wrapLine, wrapText } from '../../../src/report/wrap.ts'
import { fakeStream } from './fake-stream.ts'

test('lines are broken between words, and a word that is too long stands whole', () => {
  expect(wrapLine('one two three', 7)).toEqual(['one two', 'three'])
  expect(wrapLine(`short ${'x'.repeat(30)} end`, 10)).toEqual(['short', 'x'.repeat(30), 'end'])
  expect(wrapLine('  two blanks', 80)).toEqual(['  two blanks'])
})

test('what a line goes on with is indented by two more', () => {
  expect(wrapText('  note: one two three four five\nsix', 20)).toBe(
    '  note: one two\n    three four five\nsix',
  )
})

test.each([
  [
    'if it is right, run: relay-backup prune prod --accept, then pull again',
    ['if it is right, run:', 'relay-backup prune prod --accept, then', 'pull again'],
  ],
  [
    'See how with: relay-backup verify prod/1. Then restore from another one',
    ['See how with: relay-backup verify prod/1.', 'Then restore from another one'],
  ],
  [
    'Settle it (relay-backup rollback --host prod), then restore',
    ['Settle it', '(relay-backup rollback --host prod), then', 'restore'],
  ],
  [
    "Look at it on the server with: docker logs 'a b' and at its health",
    ['Look at it on the server with:', "docker logs 'a b' and at its health"],
  ],
  [
    'Let it hold still: write it as `quiesce: { pause: [app] }` there',
    ['Let it hold still: write it as', '`quiesce: { pause: [app] }` there'],
  ],
  [
    'The archive "of today, with blanks.tar" isn\'t there any more',
    ['The archive "of today, with blanks.tar"', "isn't there any more"],
  ],
])('a command and what stands in quotes stay whole: %s', (text, lines) => {
  expect(wrapLine(text, 41).map((line) => line.trim())).toEqual(lines)
})

test('a command that no line has room for is alone on its line', () => {
  const command = `relay-backup restore --host prod ${'--path logs:a/b/c '.repeat(4)}--yes`
  expect(wrapText(`Undo it, which is best done at once: ${command}`, 60).split('\n')).toEqual([
    'Undo it, which is best done at once:',
    `  ${command}`,
  ])
})

test('a line that is a command stays as it is', () => {
  const line = `  (crontab -l 2>/dev/null; echo "0 2 * * *  '/usr/bin/node' ${'x '.repeat(20)}") | crontab -`
  expect(wrapText(`Every night at 2, from cron:\n${line}`, 40)).toBe(`Every night at 2, from cron:\n${line}`)
})

test('wide characters take two columns, colours none', () => {
  const wide = '\u8a9e'.repeat(9)
  expect(wrapText(`${wide} ${wide} ${wide}`, 40)).toBe(`${wide} ${wide}\n  ${wide}`)
  expect(wrapText(`\x1b[31m${'red '.repeat(5)}\x1b[39m`.trim(), 25)).toContain('red \x1b[39m')
})

test('without a terminal nothing is wrapped', () => {
  const long = 'word '.repeat(60)
  expect(wrapText(long, undefined)).toBe(long)
})

const LONG = 'a '.repeat(30) + 'x'.repeat(50)

test('an error at a terminal fits it, its colours kept and all its words there', () => {
  const error = new KeyError(`The file ${LONG} is gone`, { host: 'prod', next: `Look ${LONG}` })
  const text = renderError(error, { color: false, columns: 60 })
  expect(text.split('\n').filter((line) => line.length > 60)).toEqual([])
  expect(text.replace(/\s+/g, ' ')).toBe(renderError(error, { color: false }).replace(/\s+/g, ' '))
  expect(stripVTControlCharacters(renderError(error, { color: true, columns: 60 }))).toBe(text)
})

test.each(['tty', 'plain'] as const)('a warning at a terminal fits it (%s)', async (mode) => {
  const stream = fakeStream({ tty: true })
  {
    await using reporter = createReporter({ mode, stream, verbose: false, color: false })
    const next = 'Pull again when the app holds still, or: relay-backup pull prod --source logs --full'
    reporter.event({ type: 'warning', host: 'prod', code: 'x', message: `changed ${LONG}`, next })
  }
  expect(stream.screen).toContain('    relay-backup pull prod --source logs --full\n')
  expect(stream.screen.split('\n').filter((line) => line.length > 80)).toEqual([])
})
