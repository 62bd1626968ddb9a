import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { busyboxTools } from '../../../lab/busybox.ts'
import { tempDir } from '../../../lab/temp.ts'
import { drain, filesConfig, unpack } from './drain.ts'
import { probeOf, shellHost } from './shell-host.ts'

/** Paths of sources that a tool may take for something else: an escape, an option, a pattern, a file of names. */
const PATHS = [
  'a\\nb',
  'a\\\\b',
  'a\\',
  'a\nb',
  'tab\there',
  "quote'd",
  '"quoted"',
  '-leading',
  '--checkpoint-action=exec=touch pwned',
  '-T',
  '*',
  '[a-z]?',
  '{a,b}',
  '@names',
  '$(touch pwned)',
  '`touch pwned`',
  '!bang',
  '#hash',
  ' spaces ',
  'comma,and&and|bar',
  'caret^dollar$dot.',
  'ünïcödé ☃',
  'a: Cannot stat: No such file or directory',
  '\\060\\x41\\*',
  '...',
  '=eq',
  '%s%b',
  '~',
]

describe.each([
  { tar: 'gnu' as const, list: true },
  { tar: 'gnu' as const, list: false },
  { tar: 'busybox' as const, list: false },
])('source paths of every kind with $tar tar (find -printf: $list)', ({ tar, list }) => {
  it.each(['app', 'd\\n[a]*,&^$.\n@ -x'])(
    'are captured whole below %j (regression: a\\nb gave an empty archive)',
    async (home) => {
      await using temp = await tempDir()
      const deployment = join(temp.path, home)
      for (const path of PATHS) {
        await mkdir(join(deployment, path, path), { recursive: true })
        await writeFile(join(deployment, path, path, 'in it'), path)
        await writeFile(join(deployment, path, `one-${path}`), path)
      }
      await symlink(join(deployment, 'a\\nb'), join(deployment, 'link\\nto\nit'))
      await symlink(join(deployment, 'a\nb'), join(deployment, 'link to it'))
      const tools = await busyboxTools(join(temp.path, 'tools'))
      const path = tar === 'busybox' ? tools : `${process.env['PATH']}`
      const host = shellHost({ shell: ['/bin/dash'], path })
      const probe = probeOf(deployment, { tar, versions: {}, findPrintf: list })
      const copy = join(temp.path, 'copy')
      await mkdir(copy)
      const drained = await drain(
        { host, probe },
        filesConfig([...PATHS, 'link\\nto\nit', 'link to it']),
        temp.path,
      )
      await unpack(drained, copy)
      for (const name of PATHS) {
        expect(await readFile(join(copy, name, name, 'in it'), 'utf8')).toBe(name)
        expect(await readFile(join(copy, name, `one-${name}`), 'utf8')).toBe(name)
      }
      expect(await readFile(join(copy, 'link to it', 'a\nb', 'in it'), 'utf8')).toBe('a\nb')
      expect(await readFile(join(copy, 'link\\nto\nit', 'a\\nb', 'in it'), 'utf8')).toBe('a\\nb')
      expect(drained.members.flat()).toHaveLength(PATHS.length * 4 + 8)
    },
  )
})
