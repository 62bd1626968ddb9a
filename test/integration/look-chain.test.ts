import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { parseAddress } from '../../src/look/address.ts'
import { catFile } from '../../src/look/cat-file.ts'
import type { LookDependencies } from '../../src/look/dependencies.ts'
import { extractSnapshot } from '../../src/look/extract.ts'
import { findNames } from '../../src/look/find-names.ts'
import { resolvePath } from '../../src/look/resolve-path.ts'
import { TAIL_THRESHOLD } from '../../src/pull/incremental/plan.ts'
import { treeOf } from '../lab/tree-of.ts'
import { IncrementalLab, signal } from './incremental-lab.ts'

/** What opens archives; `opened` gets their files. */
function looking(lab: IncrementalLab, opened: string[] = []): LookDependencies {
  const { decryptor, openArchive } = lab.restoring()
  return {
    vault: lab.vault,
    decryptor,
    openArchive: (archive) => {
      opened.push(archive.path.slice(lab.vault.path.length + '/prod/'.length))
      return openArchive(archive)
    },
  }
}

/** Types, modes, times to the second, and contents. */
async function tree(path: string): Promise<Map<string, string>> {
  return new Map(
    [...(await treeOf(path))].map(([name, text]) => [
      name,
      text.replaceAll(/(\d{10})\d{9}/g, '$1').replaceAll(/x{9,}/g, ({ length }) => `x${length}`),
    ]),
  )
}

test('a chain is looked into: each link as it was, by only the archives that hold what is asked for', async () => {
  await using lab = await IncrementalLab.start()
  const at = (name: string) => join(lab.app, 'data', name)
  await mkdir(at('d'))
  await writeFile(at('log'), Buffer.alloc(TAIL_THRESHOLD * 3, 'x'))
  await writeFile(at('d/old'), 'old')
  await writeFile(at('d/new'), 'first')
  const first = await lab.pulled()
  const trees = [await tree(lab.app)]
  await appendFile(at('log'), 'a line\n')
  await writeFile(at('d/new'), 'second')
  const second = await lab.pulled()
  trees.push(await tree(lab.app))
  await rm(at('d/old'))
  await writeFile(at('d/odd\x1b'), 'odd')
  const third = await lab.pulled()
  trees.push(await tree(lab.app))
  expect(third.manifest.sources[0]?.mode).toBe('incremental')

  for (const [index, snapshot] of [first, second, third].entries()) {
    const to = join(lab.path, `to-${index}`)
    const report = await extractSnapshot(
      { snapshot, addresses: [], to, overwrite: false },
      looking(lab),
      signal,
    )
    expect(report).toMatchObject({ failed: [], leftOut: [], renamed: [] })
    expect(await tree(to)).toEqual(trees[index])
  }

  const cat = async (path: string, opened: string[] = []): Promise<Buffer> => {
    const source = third.manifest.sources[0]!
    const dependencies = looking(lab, opened)
    const found = await resolvePath({ snapshot: third, source }, parseAddress(path), dependencies)
    const output = new PassThrough()
    const bytes = buffer(output)
    await catFile({ snapshot: third, source }, found, output, dependencies, signal)
    output.end()
    return await bytes
  }
  expect((await cat('data:log')).equals(await readFile(at('log')))).toBe(true)
  const opened: string[] = []
  expect((await cat('data:d/odd\\x1b', opened)).toString()).toBe('odd')
  expect(opened.filter((file) => file.includes('.tar.'))).toEqual([`${third.id}/data.tar.zst.gpg`])
  await expect(cat('data:d')).rejects.toMatchObject({ code: 'usage', message: 'data:data/d is a directory' })

  const find = async (pattern: string, since?: Date) =>
    (await findNames(pattern, { hosts: ['prod'], since }, looking(lab), signal)).versions.map(
      ({ entry, snapshots }) => [entry.path, entry.size, snapshots],
    )
  const ids = [third.id, second.id, first.id]
  expect(await find('new')).toEqual([
    ['data/d/new', 6, ids.slice(0, 2)],
    ['data/d/new', 5, ids.slice(2)],
  ])
  expect(await find('old')).toEqual([['data/d/old', 3, ids.slice(1)]])
  expect((await find('data/d')).map(([path]) => path)).toEqual(['data/d'])
  expect((await find('log')).map(([, , snapshots]) => snapshots)).toEqual([ids.slice(0, 2), ids.slice(2)])
  expect(await find('new', lab.now())).toEqual([['data/d/new', 6, [third.id]]])
})

test('a damaged archive is told, what is whole in others comes, and the vault remembers it', async () => {
  await using lab = await IncrementalLab.start()
  await writeFile(join(lab.app, 'data/a'), Buffer.alloc(100_000, 'a'))
  await lab.pulled()
  await writeFile(join(lab.app, 'data/b'), 'b')
  const second = await lab.pulled()
  const [full] = await lab.all()
  const file = lab.vault.filePath(full!, 'data.tar.zst.gpg')
  const bytes = await readFile(file)
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1)
  await writeFile(file, bytes)
  const request = { snapshot: second, to: join(lab.path, 'to'), overwrite: false }
  const only = { ...request, addresses: [parseAddress('data:b')] }
  expect(await extractSnapshot(only, looking(lab), signal)).toMatchObject({ files: 1, failed: [] })
  const all = { ...request, to: join(lab.path, 'all'), addresses: [] }
  const report = await extractSnapshot(all, looking(lab), signal)
  expect(report.failed[0]).toMatchObject({ source: 'data', member: 'data/a' })
  expect((await lab.all())[0]?.damage).toMatchObject([{ file: 'data.tar.zst.gpg', code: 'hash-differs' }])
})
