import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tarNames } from '../../../../src/sources/tree/gnu-tar.ts'
import { normaliseRoots } from '../../../../src/sources/tree/roots.ts'
import type { Root } from '../../../../src/sources/tree/roots.ts'
import { SizeBook } from '../../../../src/sources/files/size-book.ts'
import { parseTarMessages, unescapeName } from '../../../../src/sources/tree/tar-messages.ts'

describe('normaliseRoots', () => {
  it('names members relative to the deployment, and drops what is covered', () => {
    expect(
      normaliseRoots(['logs', 'logs/app', 'logs', './/data/', '/var/x', '/srv/app/etc'], '/srv/app'),
    ).toEqual([
      { name: 'logs', base: 'deployment' },
      { name: 'data', base: 'deployment' },
      { name: 'var/x', base: 'root' },
      { name: 'etc', base: 'deployment' },
    ])
  })

  it('does not take a name that begins alike for one below', () => {
    expect(normaliseRoots(['log', 'logs', '/srv/app2'], '/srv/app').map((root) => root.name)).toEqual([
      'log',
      'logs',
      'srv/app2',
    ])
  })
})

describe('parseTarMessages', () => {
  it('sorts what GNU tar says', () => {
    const messages = parseTarMessages(
      [
        'tar: logs/a\\: b\\n\\303\\277\\\\: file changed as we read it',
        'tar: logs/s: File shrank by 5 bytes; padding with zeros',
        'tar: logs/v: File removed before we read it',
        'tar: logs: Cannot stat: No such file or directory',
        'tar: logs/sock: socket ignored',
        'tar: logs/secret: Cannot open: Permission denied',
        'tar: logs/x: Warning: Cannot llistxattr: Input/output error',
        'tar: logs/y: Read error at byte 0, while reading 512 bytes: Input/output error',
        'tar: Exiting with failure status due to previous errors',
        '',
      ].join('\n'),
    )
    expect(messages).toEqual({
      changed: ['logs/a: b\n\xc3\xbf\\'],
      shrunk: ['logs/s'],
      vanished: ['logs/v'],
      missing: ['logs'],
      sockets: ['logs/sock'],
      denied: ['logs/secret'],
      attributes: 1,
      others: ['tar: logs/y: Read error at byte 0, while reading 512 bytes: Input/output error'],
    })
  })

  it('takes no name for a message', () => {
    const { denied, sockets } = parseTarMessages(
      'tar: x\\: Cannot open\\: Permission denied\\ntar\\: y: socket ignored',
    )
    expect(denied).toEqual([])
    expect(sockets).toEqual(['x: Cannot open: Permission denied\ntar: y'])
  })

  it('unescapes octal before it looks at what follows', () => {
    expect(unescapeName('\\0771\\t\\\\n')).toBe('?1\t\\n')
  })
})

describe('the names GNU tar is told', () => {
  const roots: Root[] = [
    {
      name: 'logs',
      base: 'deployment',
      type: 'directory',
      link: { target: Buffer.from('x'), real: Buffer.from('/mnt/l') },
    },
    {
      name: '.env',
      base: 'deployment',
      type: 'file',
      link: { target: Buffer.from('y'), real: Buffer.from('/mnt/l/e') },
    },
    { name: 'data', base: 'deployment', type: 'directory' },
    { name: 'etc/x', base: 'root', type: 'directory' },
  ]

  it.each([
    ['logs/a', './mnt/l/a'],
    ['.env', '././mnt/l/e'],
    ['data/a', './././srv/app/data/a'],
    ['etc/x/a', 'etc/x/a'],
  ])('%s is %s and back', (member, told) => {
    const names = tarNames(roots, '/srv/app')
    expect(names.toTar(member)).toBe(told)
    expect(names.toMember(told)).toBe(member)
  })
})

describe('SizeBook', () => {
  it('keeps what was set, like a map', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.integer({ min: -6, max: 2 ** 40 }))), (pairs) => {
        const book = new SizeBook()
        const map = new Map(pairs)
        for (const [name, size] of pairs) book.set(Buffer.from(name), size)
        for (const [name, size] of map) expect(book.get(Buffer.from(name))).toBe(size)
      }),
    )
  })

  it('grows past its first table', () => {
    const book = new SizeBook()
    for (let at = 0; at < 20_000; at += 1) book.set(Buffer.from(`logs/app-${at}.log`), at)
    for (let at = 0; at < 20_000; at += 1) expect(book.get(Buffer.from(`logs/app-${at}.log`))).toBe(at)
    expect(book.get(Buffer.from('logs/none'))).toBeUndefined()
  })
})
