import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { excludePatternProblem } from '../../../src/model/exclude-pattern.ts'
import { PathFilter, shellRules, type FilterRoot } from '../../../src/model/path-filter.ts'
import { loadScript } from '../../../src/remote/scripts.ts'

const DATA: FilterRoot = { name: 'data', base: 'deployment' }

function excluded(patterns: readonly string[], name: string, roots: readonly FilterRoot[] = [DATA]): boolean {
  const filter = new PathFilter(patterns, roots, '/srv/app')
  const parts = name.replace(/\/$/, '').split('/')
  // As a listing does it: parents first.
  return parts.some((_part, at) => {
    const path = parts.slice(0, at + 1).join('/')
    return filter.excludes(path, at < parts.length - 1 || name.endsWith('/'))
  })
}

describe('what exclude leaves out', () => {
  it.each([
    // What used to exclude nothing without a word.
    [['cache/'], 'data/cache/x', true],
    [['cache/'], 'data/sub/cache/x', true],
    [['cache/'], 'data/cache', false],
    [['/cache'], 'data/cache/x', true],
    [['/cache'], 'data/sub/cache/x', false],
    [['./data/cache'], 'data/cache/x', true],
    [['./cache'], 'data/cache/x', true],
    [['data/cache'], 'data/cache/x', true],
    [['/data/cache'], 'data/cache/x', true],
    [['/srv/app/data/cache'], 'data/cache/x', true],
    [['/srv/app/data/cache/'], 'data/cache/x', true],
    [['data/cache'], 'data/data/cache/x', false],
    [['*.tmp', '!keep.tmp'], 'data/sub/keep.tmp', false],
    [['*.tmp', '!keep.tmp'], 'data/sub/other.tmp', true],
    [['cache/', '!cache/keep'], 'data/cache/keep', true],
    [['cache/*', '!cache/keep'], 'data/cache/keep', false],
    [['**/logs/*.log'], 'data/a/b/logs/x.log', true],
    [['**/logs/*.log'], 'data/logs/x.log', true],
    [['a/**/z'], 'data/a/z', true],
    [['a/**/z'], 'data/a/b/c/z', true],
    [['a/**'], 'data/a/b', true],
    [['a/**'], 'data/a/', false],
    [['sub/*.log'], 'data/sub/x.log', true],
    [['sub/*.log'], 'data/sub/deep/x.log', false],
    [['sub/*.log'], 'data/x/sub/x.log', false],
    [['*.TMP'], 'data/x.tmp', false],
    [['x?'], 'data/x\n', true],
    [['[!b]x'], 'data/ax', true],
    [['[^b]x'], 'data/bx', false],
    [['\\#x'], 'data/#x', true],
    [['\\!x'], 'data/!x', true],
    [['a\\*b'], 'data/axb', false],
    [['trailing '], 'data/trailing', true],
    [['data'], 'data/', false],
    [['ü'], `data/${Buffer.from('ü').toString('latin1')}`, true],
    [[], 'data/.relay-backup/x', true],
    [[], 'data/relay-backup', false],
  ] as const)('%j and %j: %s', (patterns, name, expected) => {
    expect(excluded(patterns, name)).toBe(expected)
  })

  it('names the place by one of several paths, and counts there alone', () => {
    const roots: FilterRoot[] = [
      DATA,
      { name: 'cache', base: 'deployment' },
      { name: 'var/lib/x', base: 'root' },
    ]
    expect(excluded(['cache/tmp'], 'cache/tmp/a', roots)).toBe(true)
    expect(excluded(['cache/tmp'], 'data/cache/tmp/a', roots)).toBe(false)
    expect(excluded(['/var/lib/x/tmp'], 'var/lib/x/tmp/a', roots)).toBe(true)
    expect(excluded(['tmp'], 'var/lib/x/tmp/a', roots)).toBe(true)
  })

  it('says what each pattern left out, and which left out nothing', () => {
    const filter = new PathFilter(['*.tmp', 'cache/', 'none', '!x'], [DATA], '/srv/app')
    for (const [name, isDirectory] of [
      ['data', true],
      ['data/a.tmp', false],
      ['data/cache', true],
      ['data/cache/b.tmp', false],
      ['data/z', false],
    ] as const)
      filter.excludes(name, isDirectory)
    expect(filter.matches.map(({ pattern, count }) => [pattern, count])).toEqual([
      ['*.tmp', 1],
      ['cache/', 1],
      ['none', 0],
      ['!x', 0],
    ])
    expect(filter.unmatched).toEqual(['none'])
  })

  it('has find look into nothing that is left out whatever else is said', () => {
    const prune = (...patterns: string[]) => new PathFilter(patterns, [DATA], '/srv/app').findPrune.join(' ')
    expect(prune('cache/', '*.tmp', '/x', 'a/b')).toBe(
      '-name .relay-backup -o -name cache -type d -o -name *.tmp',
    )
    expect(prune('cache/', '!cache/keep')).toBe('-name .relay-backup')
    expect(prune('data', 'd*')).toBe('-name .relay-backup')
  })
})

describe('a pattern that can not be honoured', () => {
  it.each([
    '*.{tmp,txt}',
    '# comment',
    '',
    '!',
    '  ',
    'a\\',
    'a[b',
    '[[:digit:]]',
    'a//b',
    '/',
    '../x',
    'a/../b',
    'a/./b',
    '~/x',
    'a**b',
    'a\nb',
  ])('%j is a problem', (pattern) => {
    expect(excludePatternProblem(pattern)).toBeTypeOf('string')
  })

  it.each([
    '*.tmp',
    'cache/',
    '/cache',
    './cache',
    '!keep',
    '**/x',
    'a/**',
    'a/**/b',
    '[a-z]*',
    '[!a]',
    '[]x]',
    '\\#x',
    'x{y}',
    '*.{tmp}',
    '.*',
  ])('%j is none', (pattern) => {
    expect(excludePatternProblem(pattern)).toBeUndefined()
  })
})

describe.each([['dash'], ['busybox', 'sh'], ['bash']])('the rules in %s %s', (...shell) => {
  it('leave out on a server what the patterns leave out here', async () => {
    const names = [
      'a',
      'a/b',
      'a/b/c',
      'a/b/z',
      'a/z',
      'a/x.tmp',
      'x.tmp',
      'keep.tmp',
      'cache/x',
      'sub/cache/x',
      'sub/cache/keep',
      'Z/cache',
      'logs/x.log',
      'a/logs/x.log',
      '-n',
      '[a]',
      '*',
      'a*b',
      'axb',
      '#x',
      '!x',
      'b\\c',
      'sp ace',
      '.hidden',
      'a.b',
      'ü',
    ]
    const sets = [
      ['cache/'],
      ['/cache'],
      ['*.tmp', '!keep.tmp'],
      ['**/logs/*.log'],
      ['a/**/z'],
      ['a/**'],
      ['a/*', '!a/b'],
      ['sub/cache'],
      ['**/cache'],
      ['[!a]*'],
      ['[^a]'],
      ['a\\*b'],
      ['\\#x'],
      ['\\!x'],
      ['\\*'],
      ['[[]a]'],
      ['?'],
      ['*'],
      ['*', '!a'],
      ['b\\\\c'],
      ['sp*'],
      ['.*'],
      ['*.*'],
      ['**'],
      ['data/a/b'],
      ['/srv/app/data/a/b/'],
      ['./a/b'],
      ['a/?'],
      ['-n'],
    ]
    const folder = mkdtempSync(join(tmpdir(), 'relay-rules-'))
    try {
      for (const name of names) {
        mkdirSync(join(folder, dirname(name)), { recursive: true })
        if (!names.some((other) => other.startsWith(`${name}/`))) writeFileSync(join(folder, name), '')
      }
      const every = execFileSync('find', ['.', '!', '-name', '.', '-print0'], { cwd: folder })
        .toString('latin1')
        .split('\0')
        .filter((name) => name !== '')
        .map((name) => name.slice(2))
      const text = await loadScript('restore/lib/carry')
      const functions = /^along\(\)[^]*?^left_out\(\)[^]*?^\}$/m.exec(text)?.[0] ?? ''
      for (const patterns of sets) {
        const filter = new PathFilter(patterns, [DATA], '/srv/app')
        const here = every.filter((name) => filter.excludes(`data/${name}`, isDirectory(every, name)))
        const [program = '', ...args] = shell
        const said = execFileSync(
          program,
          [
            ...args,
            '-c',
            `LC_ALL=C; export LC_ALL\n${functions}\nIFS="\n"; set -f\nfor found; do left_out "$found" "$found" && printf '%s\\0' "$found"; done; :`,
            'sh',
            ...every.map((name) => Buffer.from(name, 'latin1').toString('utf8')),
          ],
          {
            cwd: folder,
            env: {
              ...process.env,
              carry_patterns: shellRules(patterns, DATA, [DATA], '/srv/app').join('\n'),
            },
          },
        )
        const there = said
          .toString('latin1')
          .split('\0')
          .filter((name) => name !== '')
        // What is below a directory that is left out goes with it, there as here.
        const whole = every.filter((name) => there.some((one) => name === one || name.startsWith(`${one}/`)))
        expect(whole, patterns.join(' ')).toEqual(here)
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

function isDirectory(every: readonly string[], name: string): boolean {
  return every.some((other) => other.startsWith(`${name}/`))
}
