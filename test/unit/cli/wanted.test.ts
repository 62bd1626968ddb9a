import { describe, expect, test } from 'vitest'
import { wantedAt } from '../../../src/cli/wanted.ts'
import { commands, program } from './typed.ts'

const values = (...words: string[]) => wantedAt(program, words).choices.map(({ value }) => value)
const kind = (...words: string[]) => wantedAt(program, words).kind

/** What the shells and `complete` know to fill in, and what only a person can. */
const FILLED =
  /^(host|from|to|tag|snapshot|host\|snapshot|what|source|source:path|file|key|dir|strategy|type|period|shell|command|channel|schedule)$/
const TYPED =
  /^(name|text|address|line|fingerprint|SHA256:…|duration|n|rate|path|id|target|how|url|rules|when|time|fields|zone|table:columns)$/

describe('what may stand at the cursor', () => {
  test('commands, and those of a group', () => {
    expect(values('')).toEqual(expect.arrayContaining(['pull', 'restore', 'key', 'help', 'completion']))
    expect(values('')).not.toContain('__complete')
    expect(values('key', '')).toContain('generate')
    expect(values('help', '')).toContain('pull')
    expect(values('help', 'key', 'g')).toContain('generate')
    expect(values('help', 'nonsense', '')).toEqual([])
  })

  test('the flags of the command and of the program, each once', () => {
    expect(values('pull', '-')).toEqual(
      expect.arrayContaining(['--all', '--no-rotate', '--config', '--help']),
    )
    expect(values('pull', '--all', '--')).not.toContain('--all')
    expect(values('pull', '--source', 'a', '--')).toContain('--source')
    expect(values('pull', '--', '--')).toEqual([])
  })

  test('the value of a flag', () => {
    expect(values('restore', '--strategy', '')).toEqual(['replace', 'merge'])
    expect(kind('restore', '--host', '')).toBe('host')
    expect(kind('restore', '--host', 'a', '')).toBe('snapshot')
    expect(wantedAt(program, ['restore', '--host=p'])).toMatchObject({ kind: 'host', before: '--host=' })
    expect(kind('pull', '--source', 'a', '')).toBe('source')
    expect(kind('--config', '')).toBe('file')
    expect(kind('pull', '--jobs', '')).toBe('n')
  })

  test('the arguments in their order', () => {
    expect(kind('migrate', '')).toBe('from')
    expect(kind('migrate', 'a', '')).toBe('to')
    expect(kind('migrate', 'a', 'b', '')).toBe('')
    expect(kind('pull', 'a', 'b', '')).toBe('host')
    expect(kind('--json', '--config', 'x', 'ls', '')).toBe('snapshot')
    expect(kind('ls', 'prod/latest', 'logs:', '')).toBe('what')
    expect(kind('verify', '')).toBe('host|snapshot')
  })

  test('what was typed before is known', () => {
    const { flags, args } = wantedAt(program, [
      '--config=c',
      'restore',
      'prod/latest',
      '--from',
      'x',
      '--source',
      '',
    ])
    expect(Object.fromEntries(flags)).toEqual({ config: 'c', from: 'x' })
    expect(args).toEqual(['prod/latest'])
  })
})

test.each([...commands])('every value of %s is filled in or is for a person to know', (_, command) => {
  const kinds = [
    ...command.registeredArguments.map((argument) => argument.name()),
    ...command.options.flatMap(({ flags }) => /<(.*?)(?:\.\.\.)?>/.exec(flags)?.[1] ?? []),
  ]
  expect(kinds.filter((one) => !FILLED.test(one) && !TYPED.test(one))).toEqual([])
})
