import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assembleTree } from '../archive/assemble-tree.ts'
import type { OpenArchive, TarEntry } from '../archive/contract.ts'
import { walkTar } from '../archive/walk-tar.ts'
import type { Decryptor } from '../crypto/contract.ts'
import { DamageError } from '../errors.ts'
import { Disposables } from '../model/disposables.ts'
import { pathFromJson } from '../model/path-bytes.ts'
import type { ManifestSource } from '../model/snapshot.ts'
import type { Snapshot, Vault } from '../vault/contract.ts'
import { locateArchives, mostOf, type NeededArchive } from './archives.ts'
import { sourceIndex } from './contents.ts'
import { rememberDamage } from './remember-damage.ts'

/** What it takes to read the content of files. */
export interface ReadParts {
  readonly vault: Vault
  readonly decryptor: Decryptor
  readonly openArchive: OpenArchive
}

/** A piece of a file's content, in order: its beginning, its bytes, its end. */
export type FilePiece =
  | { readonly kind: 'begin'; readonly entry: TarEntry }
  /** Not a copy: use it before you ask for the next piece. */
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  /** `proven`: the bytes are those that the index has the hash of. */
  | { readonly kind: 'end'; readonly entry: TarEntry; readonly proven: boolean }

/**
 * The content of files of a source, put together from the archives that hold some of it, one file after the other. Only
 * these archives are opened, and no further than to the last wanted file. Throws DamageError, after files that were
 * whole perhaps, when an archive is damaged or lacks something. `wanted` holds members in latin1; a member that was read
 * is taken out of it, so what is left after an error did not come.
 */
export async function* readFiles(
  { snapshot, source }: { readonly snapshot: Snapshot; readonly source: ManifestSource },
  wanted: Set<string>,
  dependencies: ReadParts,
  signal: AbortSignal,
): AsyncGenerator<FilePiece> {
  if (wanted.size === 0) return
  const filePath = dependencies.vault.filePath.bind(dependencies.vault)
  const all = await dependencies.vault.snapshots(snapshot.host, { retired: true })
  const hashes = new Map<string, string | undefined>()
  const opened: NeededArchive[] = []
  await using scratch = new Disposables()
  const tree = assembleTree({
    entries: async function* () {
      for await (const entry of sourceIndex(snapshot, source, { ...dependencies, filePath })) {
        const name = pathFromJson(entry.path).toString('latin1')
        if (entry.type !== 'file' || !wanted.has(name)) continue
        hashes.set(name, entry.sha256)
        yield entry
      }
    },
    rename: (member) => member,
    linkOutside: () => new RangeError('no link is wanted'),
    open: async (name) => {
      const [needed] = locateArchives([name], snapshot, source, all)
      if (needed === undefined) throw new RangeError('an archive that was not looked for')
      opened.push(needed)
      return { plain: await openNeeded(needed, dependencies), plainBytes: needed.archive.plainBytes }
    },
    scratchPath: async () => join(scratch.use(await scratchDirectory()).path, 'tails'),
    onFile: () => undefined,
    dialect: 'pax',
  })
  let made: FilePiece[] = []
  let current:
    | { readonly entry: TarEntry; readonly name: string; readonly hash: ReturnType<typeof createHash> }
    | undefined
  const handler = {
    entry: (entry: TarEntry) => {
      current = { entry, name: entry.path.toString('latin1'), hash: createHash('sha256') }
      made.push({ kind: 'begin', entry })
    },
    content: (bytes: Buffer) => {
      current?.hash.update(bytes)
      made.push({ kind: 'bytes', bytes })
    },
    endEntry: () => {
      if (current === undefined) return
      const { entry, name, hash } = current
      const expected = hashes.get(name)
      // A file of several parts was proven part by part as it was put together.
      made.push({ kind: 'end', entry, proven: expected === undefined || hash.digest('hex') === expected })
      hashes.delete(name)
      current = undefined
    },
  }
  const take = (): FilePiece[] => {
    signal.throwIfAborted()
    const taken = made
    made = []
    return taken
  }
  try {
    const plain = { plain: tree.stream, plainBytes: Number.MAX_SAFE_INTEGER }
    for await (const piece of walkTar(plain, handler, take)) {
      if (piece.kind === 'end') wanted.delete(piece.entry.path.toString('latin1'))
      yield piece
      if (piece.kind === 'end' && wanted.size === 0) return
    }
    throw new DamageError('archive-lacks', `The archives of ${source.name} lack what its index names`, {
      next: `See all that is damaged with: relay-backup verify ${snapshot.host}`,
    })
  } catch (error) {
    const files = opened.map(({ snapshot: holder, archive }) => ({ snapshot: holder, file: archive.file }))
    throw await rememberDamage(files, error, dependencies, signal)
  } finally {
    tree.stream.destroy()
  }
}

/** An archive's plain bytes. A file that is gone is damage. */
export async function openNeeded(
  { snapshot, archive }: NeededArchive,
  { vault, openArchive, decryptor }: ReadParts,
) {
  if ((await vault.look(snapshot, archive.file)) === undefined) {
    throw new DamageError('missing-file', `${snapshot.host}/${snapshot.id}: ${archive.file} is missing`, {
      next: `See all that is damaged with: relay-backup verify ${snapshot.host}`,
    })
  }
  const path = vault.filePath(snapshot, archive.file)
  return await openArchive({ path, compression: archive.compression, decryptor, most: mostOf(archive) })
}

/** For scratch data, which is encrypted with a key of this process only. */
async function scratchDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'relay-backup-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
