import type { Facts } from './facts.ts'

export type Purpose = 'pull' | 'safety' | 'cutover'
export type ArchiveFormat = 'tar' | 'stream'
/** What of a database an archive holds; an archive of files always holds `all`. */
export type ArchiveContent = 'all' | 'schema' | 'data'
export type Compression = 'zstd' | 'gzip' | 'none'

/** Something worth knowing that did not fail the source. Codes and counts only: file names are not public. */
export interface SnapshotWarning {
  /** For example `file-changed`, `file-vanished`, `socket-skipped`, `source-shrank`. */
  readonly code: string
  readonly count: number
}

/** The code of a warning that makes a source `torn`: the copy may mix several moments, and may not open. */
export const TORN = 'torn'

/** The code of a warning that makes a snapshot incomplete: some paths of the source were not there. */
export const PATH_MISSING = 'path-missing'

/** The code of a warning that makes a snapshot incomplete: some of the source's files may not be read. */
export const UNREADABLE = 'file-unreadable'

/** Whether a source was captured in a copy that nobody may rely on. */
export function isTorn({ warnings }: Pick<ManifestSource, 'warnings'>): boolean {
  return warnings.some(({ code }) => code === TORN)
}

/** Whether everything that the source is configured to have was there, and could be read. */
export function isWhole({ warnings }: Pick<ManifestSource, 'warnings'>): boolean {
  return warnings.every(({ code }) => code !== PATH_MISSING && code !== UNREADABLE)
}

/** How many files and directories of a source could not be read. */
export function unreadCount({ warnings }: Pick<ManifestSource, 'warnings'>): number {
  return warnings.reduce((sum, { code, count }) => sum + (code === UNREADABLE ? count : 0), 0)
}

/** An OpenPGP message without its session-key packets: what new keys leave as it is. */
export interface MessageBody {
  /** Where it begins in the file, in bytes; the session-key packets lie before it. */
  readonly offset: number
  readonly bytes: number
  /** Hex. */
  readonly sha256: string
}

/** A file of a snapshot: one OpenPGP message. */
export interface ManifestFile {
  /** File name inside the snapshot's directory. */
  readonly file: string
  /** Size of the encrypted file, in bytes. */
  readonly bytes: number
  /** SHA-256 of the encrypted file, hex. */
  readonly sha256: string
  readonly body: MessageBody
  /** Fingerprints of the certificates it is encrypted to, upper-case hex; empty in passphrase mode. */
  readonly recipients: readonly string[]
}

export interface ManifestArchive extends ManifestFile {
  /** What it is among the archives of its source: '' for the only or first, `reread`, `aof`, a database's name. */
  readonly part: string
  readonly format: ArchiveFormat
  readonly content: ArchiveContent
  /** Size of the archive before compression and encryption, in bytes. */
  readonly plainBytes: number
  readonly compression: Compression
}

export interface ManifestSource {
  readonly name: string
  /** The name of a kind that a version of the program knows, or knew. */
  readonly kind: string
  readonly mode: 'full' | 'incremental'
  /** Snapshot ids that an incremental needs, oldest first; empty for a full. */
  readonly parents: readonly string[]
  readonly archives: readonly ManifestArchive[]
  /** Every source that is captured gets one. */
  readonly index?: ManifestFile | undefined
  /** Only for an incremental: the encrypted script that makes the source's tree out of the unpacked chain. */
  readonly replay?: ManifestFile | undefined
  readonly entries: number
  readonly facts: Facts
  readonly warnings: readonly SnapshotWarning[]
}

/** All files of a source in a snapshot. */
export function sourceFiles({ archives, index, replay }: ManifestSource): ManifestFile[] {
  return [...archives, ...(index === undefined ? [] : [index]), ...(replay === undefined ? [] : [replay])]
}

/** Bytes of a snapshot's archives, indexes and scripts that are still there. */
export function storedBytes({
  manifest,
  removedFiles,
}: {
  readonly manifest: Pick<Manifest, 'sources'>
  readonly removedFiles: { has(file: string): boolean }
}): number {
  return manifest.sources
    .flatMap(sourceFiles)
    .filter(({ file }) => !removedFiles.has(file))
    .reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Whether a source is a dump, of databases for example, and no tree of files. */
export function isStream({ archives }: Pick<ManifestSource, 'archives'>): boolean {
  return archives.some(({ format }) => format === 'stream')
}

/** What of its data a source holds: its schema or its rows alone, or `all`. */
export function contentOf({ archives }: Pick<ManifestSource, 'archives'>): ArchiveContent {
  return archives.find(({ content }) => content !== 'all')?.content ?? 'all'
}

/**
 * Of a snapshot that holds all that was asked for, and of that schemas or data alone: which, and of what sources. Such
 * snapshots are no backup to restore from, and have a life of their own in retention.
 */
export function typeGroup({
  sources,
  selection,
}: Pick<Manifest, 'sources' | 'selection'>): string | undefined {
  const [first] = sources
  if (first === undefined || sources.length < selection.length) return undefined
  const content = contentOf(first)
  if (content === 'all' || sources.some((source) => contentOf(source) !== content)) return undefined
  return `${content} of ${sources.map(({ name }) => name).join(' ')}`
}

/** The format of manifests, ledgers and vaults that this version writes and reads. */
export const VAULT_FORMAT = 2

/** The snapshot's description: `manifest.json`, written once and never changed (docs/design/vault.md). */
export interface Manifest {
  readonly format: typeof VAULT_FORMAT
  readonly id: string
  readonly host: string
  readonly purpose: Purpose
  /** The sources asked for. */
  readonly selection: readonly string[]
  /** Every configured source is in it. */
  readonly complete: boolean
  /** ISO 8601, UTC. */
  readonly createdAt: string
  readonly finishedAt: string
  readonly tool: { readonly name: string; readonly version: string }
  /** SHA-256 of the manifest of the snapshot made before this one on the host; null for the first. */
  readonly previous: string | null
  /** The name of the schedule that made it. */
  readonly schedule?: string | undefined
  readonly server: {
    readonly os: string
    readonly arch: string
    readonly versions: Readonly<Record<string, string>>
  }
  readonly sources: readonly ManifestSource[]
}
