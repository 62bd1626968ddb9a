import { describe, expect, test } from 'vitest'
import type { EntryType, TarEntry } from '../../../src/archive/contract.ts'
import { MemberGuard } from '../../../src/archive/member-guard.ts'

const member = (path: string, type: EntryType = 'file', linkPath?: string): TarEntry => ({
  path: Buffer.from(path),
  type,
  mode: 0o644,
  uid: 0,
  gid: 0,
  uname: '',
  gname: '',
  size: 0,
  mtimeNs: 0n,
  ...(linkPath === undefined ? {} : { linkPath: Buffer.from(linkPath) }),
})

/** What the guard says of the last of these members; the others pass. */
function refusal(...members: TarEntry[]): unknown {
  const guard = new MemberGuard()
  for (const one of members.slice(0, -1)) guard.check(one)
  try {
    guard.check(members.at(-1)!)
    return undefined
  } catch (error) {
    return (error as { code: unknown }).code
  }
}

describe('a member is refused', () => {
  test.each([
    ['hostile-absolute', '/etc/passwd'],
    ['hostile-absolute', ''],
    ['hostile-dot-dot', '..'],
    ['hostile-dot-dot', '../a'],
    ['hostile-dot-dot', 'a/../../b'],
    ['hostile-dot-dot', 'a/..'],
    ['hostile-dot-dot', './a'],
    ['hostile-dot-dot', 'a//b'],
    ['hostile-dot-dot', 'a/'],
  ])('as %s: %j', (code, path) => {
    expect(refusal(member(path))).toBe(code)
    expect(refusal(member('a.txt'), member('link', 'hardlink', path))).toBe(code)
  })

  test('that is there twice, whatever it is', () => {
    expect(refusal(member('a'), member('b'), member('a'))).toBe('hostile-duplicate')
    expect(refusal(member('a', 'directory'), member('a', 'symlink', '/'))).toBe('hostile-duplicate')
  })

  test('that would be written through a symbolic link, however deep', () => {
    expect(refusal(member('a/link', 'symlink', '/etc'), member('a/link/passwd'))).toBe(
      'hostile-below-symlink',
    )
    expect(refusal(member('l', 'symlink', '.'), member('l/a/b/c'))).toBe('hostile-below-symlink')
  })

  test('that links to what is not in the archive', () => {
    expect(refusal(member('b'), member('a', 'hardlink', 'c'))).toBe('hostile-hardlink')
    expect(refusal(member('a', 'hardlink'))).toBe('hostile-absolute')
  })

  test.each(['character-device', 'block-device'] as const)('that is a %s', (type) => {
    expect(refusal(member('a', type))).toBe('hostile-device')
  })
})

test('everything else passes: names with dots, links anywhere, what lies beside a symbolic link', () => {
  const good = [
    member('..a', 'directory'),
    member('..a/...'),
    member('link', 'symlink', '../../etc'),
    member('linked/a'),
    member('link2'),
    member('hard', 'hardlink', 'link2'),
    member('pipe', 'fifo'),
  ]
  expect(refusal(...good)).toBeUndefined()
})
