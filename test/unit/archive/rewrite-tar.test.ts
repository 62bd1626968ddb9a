import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { TarEntry } from '../../../src/archive/contract.ts'
import { rewriteTar } from '../../../src/archive/rewrite-tar.ts'
import { END_OF_ARCHIVE } from '../../../src/archive/tar-header.ts'
import { encodeTarHeader, tarPadding } from '../../../src/archive/tar-writer.ts'
import { DamageError } from '../../../src/errors.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rewrite-tar-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

function member(path: string, more: Partial<TarEntry> = {}, content = ''): Buffer {
  const entry: TarEntry = {
    path: Buffer.from(path),
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    uname: '',
    gname: '',
    size: content.length,
    mtimeNs: 1_700_000_000_000_000_000n,
    ...more,
  }
  return Buffer.concat([encodeTarHeader(entry), Buffer.from(content), tarPadding(content.length)])
}

function rewrite(tar: Buffer, options: Partial<Parameters<typeof rewriteTar>[1]> = {}): Promise<Buffer> {
  return buffer(
    rewriteTar(Readable.from([tar]), {
      select: (entry) => ({ path: entry.path }),
      dialect: 'pax',
      maxBytes: 1024 * 1024,
      ...options,
    }),
  )
}

const symlink = { type: 'symlink', linkPath: Buffer.from('/etc') } as const

describe('hostile archives are refused by name', () => {
  const cases: [string, string, Buffer[]][] = [
    ['an absolute path', 'hostile-absolute', [member('/etc/passwd')]],
    ['a path with ..', 'hostile-dot-dot', [member('logs/../../etc/passwd')]],
    ['a write through a symlink', 'hostile-below-symlink', [member('logs', symlink), member('logs/passwd')]],
    ['a deep write through a symlink', 'hostile-below-symlink', [member('a/b', symlink), member('a/b/c/d')]],
    [
      'a hard link out of the tree',
      'hostile-hardlink',
      [member('x', { type: 'hardlink', linkPath: Buffer.from('y') })],
    ],
    [
      'a hard link to /',
      'hostile-absolute',
      [member('x', { type: 'hardlink', linkPath: Buffer.from('/etc/shadow') })],
    ],
    [
      'a device node',
      'hostile-device',
      [member('sda', { type: 'block-device', deviceMajor: 8, deviceMinor: 0 })],
    ],
    ['a duplicate', 'hostile-duplicate', [member('a'), member('a')]],
    ['a symlink over a file', 'hostile-duplicate', [member('a'), member('a', symlink)]],
  ]
  test.each(cases)('%s', async (_name, code, members) => {
    const error: unknown = await rewrite(Buffer.concat([...members, END_OF_ARCHIVE])).catch(
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(DamageError)
    expect((error as DamageError).code).toBe(code)
  })

  test('more bytes than the manifest says', async () => {
    const tar = Buffer.concat([member('a', {}, 'x'.repeat(100_000)), END_OF_ARCHIVE])
    await expect(rewrite(tar, { maxBytes: 50_000 })).rejects.toMatchObject({ code: 'hostile-size' })
  })

  test('a truncated archive does not end well', async () => {
    await expect(rewrite(member('a', {}, 'abc'))).rejects.toMatchObject({ code: 'tar-truncated' })
  })
})

describe('what passes', () => {
  const long = `deep/${'d'.repeat(120)}/${'f'.repeat(150)}`
  const source = Buffer.concat([
    member('deep', { type: 'directory', mode: 0o750 }),
    member(long, { mode: 0o4755 }, 'hello'),
    member('deep/link', { type: 'symlink', linkPath: Buffer.from('../outside/'.repeat(15)) }),
    member('deep/hard', { type: 'hardlink', linkPath: Buffer.from(long) }),
    member('deep/old', { mtimeNs: -86_400_000_000_000n }, 'old'),
    member('skipped', {}, 'no'),
    END_OF_ARCHIVE,
  ])
  const select = (entry: TarEntry) => {
    if (entry.path.toString() === 'skipped') return undefined
    const renamed = (path: Buffer) => Buffer.from(path.toString().replace(/^deep/, 'shallow'))
    return {
      path: renamed(entry.path),
      linkPath: entry.type === 'hardlink' && entry.linkPath ? renamed(entry.linkPath) : undefined,
    }
  }

  test.each([
    ['pax', 'tar'],
    ['gnu', 'tar'],
    ['gnu', 'busybox tar'],
  ] as const)('dialect %s is unpacked by %s, renamed and filtered', async (dialect, tool) => {
    const tar = join(directory, 'out.tar')
    let totals: unknown
    writeFileSync(tar, await rewrite(source, { select, dialect, onEnd: (seen) => (totals = seen) }))
    const target = join(directory, 'target')
    mkdirSync(target)
    execFileSync('sh', ['-c', `${tool} -x -p -f "$1" -C "$2"`, 'sh', tar, target])
    const file = join(target, long.replace('deep', 'shallow'))
    expect(readFileSync(file, 'utf8')).toBe('hello')
    expect(statSync(file).mode & 0o7777).toBe(0o4755)
    expect(statSync(join(target, 'shallow/hard')).ino).toBe(statSync(file).ino)
    expect(statSync(join(target, 'shallow/old')).mtimeMs).toBe(-86_400_000)
    expect(() => statSync(join(target, 'skipped'))).toThrow()
    expect(totals).toEqual({ entries: 5, bytes: 8 })
  })
})
