import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { IndexEntry, TarEntry } from '../../../src/archive/contract.ts'
import { toIndexEntry } from '../../../src/archive/index-entry.ts'
import { encodeIndex } from '../../../src/archive/index-file.ts'
import type { LookDependencies } from '../../../src/look/dependencies.ts'
import type { ManifestArchive, ManifestSource } from '../../../src/model/snapshot.ts'
import type { Snapshot, Vault } from '../../../src/vault/contract.ts'
import { member, tarEntry, tarOf } from '../archive/support.ts'
import { fakeSource } from '../vault/fixtures.ts'

export const ID = '20251120T020000Z'
const sha256 = 'a'.repeat(64)
const body = { offset: 0, bytes: 1, sha256 }

/** A member as an archive made by hand has it, and what its index says of it. */
export interface Made {
  readonly entry: TarEntry
  readonly content?: string
  /** What the index has otherwise. */
  readonly indexed?: Partial<IndexEntry>
}

export function made(
  path: string | Buffer,
  more: Partial<TarEntry> & { content?: string; indexed?: Partial<IndexEntry> } = {},
): Made {
  const { content, indexed = {}, ...entry } = more
  const size = content === undefined ? 0 : Buffer.byteLength(content)
  return { entry: tarEntry(path, { size, ...entry }), ...(content === undefined ? {} : { content }), indexed }
}

/** A snapshot whose sources have these members, not compressed and not encrypted. `opened` gets the files that are opened. */
export function fakeSnapshot(
  sources: Readonly<Record<string, readonly Made[]>>,
  damage: (file: string, bytes: Buffer) => Buffer = (_file, bytes) => bytes,
): { snapshot: Snapshot; dependencies: LookDependencies; opened: string[] } {
  const files = new Map<string, () => Readable>()
  const manifests = Object.entries(sources).map(([name, members]): ManifestSource => {
    const file = `${name}.tar.gpg`
    const tar = tarOf(...members.map(({ entry, content }) => member(entry.path, content ?? '', entry)))
    files.set(file, () => Readable.from([damage(file, tar)], { objectMode: false }))
    const entries = members.map(({ entry, content, indexed }) => ({
      ...toIndexEntry(
        {
          ...entry,
          contentOffset: 0,
          ...(entry.type === 'file'
            ? {
                sha256: createHash('sha256')
                  .update(content ?? '')
                  .digest('hex'),
              }
            : {}),
        },
        { snapshot: ID, archive: file },
      ),
      ...indexed,
    }))
    const index = `${name}.index.jsonl.zst.gpg`
    const header = { format: 1, source: name, snapshot: ID, paths: [name] } as const
    const lines = async function* () {
      yield entries
    }
    files.set(index, () => Readable.from(encodeIndex(header, lines()), { objectMode: false }))
    const archive: ManifestArchive = {
      part: '',
      format: 'tar',
      content: 'all',
      file,
      bytes: 1,
      plainBytes: tar.length,
      compression: 'none',
      recipients: [],
      sha256,
      body,
    }
    return { ...fakeSource(name, [archive]), index: { file: index, bytes: 1, sha256, body, recipients: [] } }
  })
  const snapshot = {
    host: 'prod',
    id: ID,
    manifest: { sources: manifests, createdAt: '2025-11-20T02:00:00.000Z' },
    removedFiles: new Set<string>(),
    retired: false,
  } as unknown as Snapshot
  const opened: string[] = []
  const vault = {
    hosts: () => Promise.resolve(['prod']),
    snapshots: () => Promise.resolve([snapshot]),
    filePath: (_snapshot: Snapshot, file: string) => file,
    look: (_snapshot: Snapshot, file: string) => Promise.resolve(files.has(file) ? 'there' : undefined),
    check: () => Promise.resolve([]),
  } as unknown as Vault
  return {
    snapshot,
    opened,
    dependencies: {
      vault,
      decryptor: { decrypt: (message) => Promise.resolve(message) },
      openArchive: ({ path }) => {
        opened.push(path)
        return Promise.resolve(files.get(path)!())
      },
    },
  }
}
