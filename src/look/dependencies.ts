import type { OpenArchive } from '../archive/contract.ts'
import type { Decryptor } from '../crypto/contract.ts'
import type { ManifestArchive, ManifestSource } from '../model/snapshot.ts'
import type { IndexParts } from '../restore/contents.ts'
import type { Snapshot, Vault } from '../vault/contract.ts'

/** What it takes to look inside a snapshot. Nothing is decrypted that is not asked for. */
export interface LookDependencies {
  readonly vault: Vault
  readonly decryptor: Decryptor
  readonly openArchive: OpenArchive
}

/** A source of a snapshot. */
export interface LookedAt {
  readonly snapshot: Snapshot
  readonly source: ManifestSource
}

export function indexParts({ vault, decryptor, openArchive }: LookDependencies): IndexParts {
  return { decryptor, openArchive, filePath: vault.filePath.bind(vault) }
}

/** What the archive of a dump is called as a file: the archive's name without its compression and encryption. */
export function dumpName({ file, compression }: Pick<ManifestArchive, 'file' | 'compression'>): string {
  const ending = { zstd: '.zst', gzip: '.gz', none: '' }[compression]
  const plain = file.endsWith('.gpg') ? file.slice(0, -'.gpg'.length) : file
  return plain.endsWith(ending) ? plain.slice(0, plain.length - ending.length) : plain
}
