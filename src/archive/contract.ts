import type { Readable, Writable } from 'node:stream'
import type { Decryptor, Encryptor } from '../crypto/contract.ts'
import type { PathJson } from '../model/path-bytes.ts'
import type { ArchiveFormat, Compression, MessageBody } from '../model/snapshot.ts'

export type EntryType =
  'file' | 'directory' | 'symlink' | 'hardlink' | 'fifo' | 'character-device' | 'block-device'

/** One member of a tar as its headers say, byte-exact. */
export interface TarEntry {
  /** Member name as in the archive, without a trailing slash. */
  readonly path: Buffer
  readonly type: EntryType
  /** Permission bits incl. setuid, setgid and sticky. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly uname: string
  readonly gname: string
  /** Content bytes; 0 for anything but a file. */
  readonly size: number
  /** ns since the epoch. */
  readonly mtimeNs: bigint
  /** Target of a symlink, or member name a hard link points to. */
  readonly linkPath?: Buffer | undefined
  /** Extended attributes from `SCHILY.xattr.*`, names without that prefix. */
  readonly xattrs?: ReadonlyMap<string, Buffer> | undefined
  readonly deviceMajor?: number | undefined
  readonly deviceMinor?: number | undefined
}

/** A member whose content was read to its end. */
export interface ReadEntry extends TarEntry {
  /** Hex SHA-256 of the content; files only. */
  readonly sha256?: string | undefined
  /** Offset of the content in the plain tar, in bytes. */
  readonly contentOffset: number
}

/** Sees bytes as they pass by; called synchronously and must not keep the buffer. */
export interface ByteSink {
  write(chunk: Buffer): void
  /** The content ended where its header said. */
  end(): void
}

/** Watches the read-back of an archive. An error that it throws fails the archive. */
export interface ArchiveObserver {
  /** Each tar member in order, after its content was read and hashed. */
  entry?(entry: ReadEntry): void
  /** Called for each regular file. Returns a sink when the file's content is to be seen. */
  tap?(entry: TarEntry): ByteSink | undefined
  /** For the format `stream`: the whole content. */
  content?: ByteSink
}

/** An archive as it comes from the server. */
export interface ArchiveInput {
  readonly stream: Readable
  readonly format: ArchiveFormat
  /** How it is compressed on the wire. */
  readonly wire: Compression
  /**
   * How it is to be stored. When this equals `wire`, the archive passes through as it is; else `wire` must be `none`.
   */
  readonly store: Compression
  /** For local compression; undefined means the compressor's default (zstd 3, gzip 6). */
  readonly level?: number | undefined
  /** The stream is several tar archives one behind the other (`wire` is `none`): they are joined into one. */
  readonly concatenated?: boolean | undefined
}

/** Where the encrypted archive goes: a file of the pending snapshot. */
export interface ArchiveSink {
  readonly stream: Writable
}

export interface ArchiveResult {
  /** Encrypted bytes. */
  readonly bytes: number
  /** Bytes before compression and encryption. */
  readonly plainBytes: number
  /** Bytes that came over the wire. */
  readonly wireBytes: number
  /** Hex SHA-256 of the encrypted bytes. */
  readonly sha256: string
  /** The message behind its session-key packets. */
  readonly body: MessageBody
  /** Tar members; 0 for the format `stream`. */
  readonly entries: number
}

/**
 * The streaming pipe (docs/design/pull.md): input → read-back of the structure, in parallel with encryption →
 * ciphertext hash → sink. Constant memory; back-pressure reaches the server. It resolves only when the last
 * compressed frame ended exactly at the end of input with its checksum right, the tar's end-of-archive was
 * there with nothing behind it but zero padding, no member was one that a restore refuses, and the sink has taken
 * every byte (ended, not yet fsynced). Throws DamageError with what is wrong and at which plain offset, also for an
 * archive that unpacks to more than it may. The caller must check the exit status of the remote side: a clean structure
 * with a failed `tar` is still a failure.
 */
export type WriteArchive = (
  input: ArchiveInput,
  options: {
    readonly encryptor: Encryptor
    readonly sink: ArchiveSink
    readonly observer?: ArchiveObserver
    /**
     * The most plain bytes that there can be, where that is known: more are a bomb. Absent: a limit that no server
     * reaches.
     */
    readonly mostPlainBytes?: number | undefined
    /** Called now and then with the totals so far. */
    readonly onProgress?: (progress: { readonly wireBytes: number; readonly plainBytes: number }) => void
    readonly signal: AbortSignal
  },
) => Promise<ArchiveResult>

/** Where a file's content is, in order; together they make the whole file. */
export interface IndexSegment {
  readonly snapshot: string
  /** Archive file name in that snapshot. */
  readonly archive: string
  readonly member: PathJson
  /** Offset inside the member's content. */
  readonly offset: number
  readonly length: number
  readonly sha256: string
}

export type IndexFlag = 'torn' | 'sparse' | 'absolute'

/** One line of an index (docs/design/vault.md, "Index version 1"). */
export interface IndexEntry {
  readonly path: PathJson
  readonly type: EntryType
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly owner: string
  readonly group: string
  readonly size: number
  /** Decimal text: ns do not fit a JSON number. */
  readonly mtimeNs: string
  readonly link?: PathJson
  /** Values in base64. */
  readonly xattrs?: Readonly<Record<string, string>>
  readonly device?: readonly [major: number, minor: number]
  /** Hash of the whole content. Absent in a file of several segments: the hash of each segment proves its part. */
  readonly sha256?: string
  readonly segments?: readonly IndexSegment[]
  readonly flags?: readonly IndexFlag[]
}

export interface IndexHeader {
  readonly format: 1
  readonly source: string
  readonly snapshot: string
  /** The source's paths as configured when it was captured: relative to the deployment, or absolute. */
  readonly paths: readonly string[]
  /** A source path that was itself a symlink on the server: followed once, recorded here. */
  readonly roots?: readonly { readonly path: PathJson; readonly link: PathJson }[]
}

/** A table or another object that an archive of the format `stream` holds. */
export interface StreamObject {
  /** As its engine names it: `public.users`; what has no name, by its number. */
  readonly name: string
  /** What it is, as its kind calls it: `table`, `view`, `database`. */
  readonly type: string
  /** Rows, or keys; absent where there are none or they were not counted. */
  readonly rows?: number | undefined
  /** Bytes of its data; absent where they are not known. */
  readonly bytes?: number | undefined
  /** Hex SHA-256 of its definition; absent where it has none. */
  readonly definition?: string | undefined
}

/** One line of the index of a `stream` source. */
export interface StreamEntry extends StreamObject {
  /** Archive file name in the snapshot. */
  readonly archive: string
}

/** The first line of the index of a `stream` source. */
export interface StreamIndexHeader {
  readonly format: 1
  readonly of: 'stream'
  readonly source: string
  readonly snapshot: string
}

/**
 * Collects a source's entries while its archives are read back, and writes the index once everything is known.
 * Entries wait in an encrypted scratch file, so memory stays flat and no file name touches the disk in plain.
 */
export interface IndexBuilder extends AsyncDisposable {
  /** Synchronous, in reading order. `part` and `archive` say where the content is. */
  add(entry: ReadEntry, place: { readonly part: string; readonly archive: string }): void
  /** Entries added so far. */
  readonly count: number
  /**
   * The index as plain JSON lines. `amend` is asked for each entry by part and member name: `undefined` keeps
   * it as it is, `drop` leaves it out, flags are added.
   */
  finish(
    header: IndexHeader,
    amend: (
      part: string,
      path: Buffer,
    ) => { readonly drop?: boolean; readonly flags?: readonly IndexFlag[] } | undefined,
  ): Readable
}

/** `scratchPath` is where the encrypted scratch file goes; it is removed on dispose. */
export type CreateIndexBuilder = (scratchPath: string) => Promise<IndexBuilder>

/** Limits what all streams that went through it carry together. */
export type Throttle = (stream: Readable) => Readable

/** The tar that will unpack a stream: GNU tar takes pax headers, busybox ignores them and needs GNU's own. */
export type TarDialect = 'pax' | 'gnu'

/**
 * Opens a stored archive: decrypts, decompresses with every frame and checksum checked, and gives the plain
 * bytes. They are proven only when the stream ended without error. More of them than `most` are a bomb: the stream fails
 * with DamageError `hostile-size`.
 */
export type OpenArchive = (archive: {
  readonly path: string
  readonly compression: Compression
  readonly decryptor: Decryptor
  readonly most?: number | undefined
}) => Promise<Readable>

/** An archive of some snapshot of the host. */
export interface ArchiveName {
  readonly snapshot: string
  /** File name in that snapshot. */
  readonly archive: string
}

/** What is put together, and from what. */
export interface TreeParts {
  /** The lines of the index that are wanted, in any order. Asked for once or twice. */
  readonly entries: () => AsyncIterable<IndexEntry>
  /** The name of a member on the target; undefined for a member that is not wanted. */
  readonly rename: (member: Buffer) => Buffer | undefined
  /** The error for a wanted hard link whose target is not wanted. */
  readonly linkOutside: (entry: TarEntry) => Error
  /** Opens an archive that holds content, as {@link OpenArchive} does. It has at most `plainBytes`. */
  readonly open: (name: ArchiveName) => Promise<{ readonly plain: Readable; readonly plainBytes: number }>
  /** A path for encrypted scratch data; only asked for when files have tails. */
  readonly scratchPath: () => Promise<string>
  readonly onFile: OnSentFile
  readonly dialect: TarDialect
}

/** Called for each file before its first piece leaves, with its new name and the number of members before it. */
export type OnSentFile = (file: {
  readonly name: Buffer
  readonly size: number
  readonly before: number
}) => void

/** One tar of a tree. The other fields are complete once the stream has ended. */
export interface AssembledTree {
  readonly stream: Readable
  readonly totals: { readonly entries: number; readonly bytes: number }
  /** Hex SHA-256 of each file of several segments, by member name in latin1. The index has no hash of these files. */
  readonly joined: ReadonlyMap<string, string>
  /** Files with long runs of zeros, by their new names: a hole may be dug there again. */
  readonly zeros: readonly Buffer[]
  /**
   * Dialect `gnu` only: a second tar with just the directories, deepest first. A tar other than GNU's writes into
   * directories after it has set their times, so they are sent again.
   */
  readonly directories: Buffer | undefined
}

/**
 * Makes one tar of what an index lists, for the target's tar. Directories, links and special files come from the index,
 * and the content of files from the archives that the index names. Each archive is streamed once, and only when
 * something in it is wanted. The segments of a file are joined, each proven by its hash. Constant memory but for some
 * 15 bytes a file and what has tails. Refuses whatever a hostile index or archive may try (DamageError `hostile-…`):
 * names that are absolute or hold `..`, members below a symlink, hard links to what is not there, device nodes, one
 * member twice, more plain bytes than an archive has; and archives that lack something (`archive-lacks`) or hold
 * something else (`segment-differs`). The stream fails when anything is not whole.
 */
export type AssembleTree = (parts: TreeParts) => AssembledTree

/** A source whose tree is, as far as the manifest tells, one archive as it is stored. */
export interface StoredTree extends Pick<TreeParts, 'rename' | 'onFile'> {
  /** The lines of the index, in any order; undefined for one that is known not to be in the archive as it is. */
  readonly entries: () => AsyncIterable<IndexEntry | undefined>
  readonly name: ArchiveName
  readonly compression: Compression
  /** The most plain bytes that the archive has. */
  readonly plainBytes: number
  /** Decrypts the archive and leaves it compressed. */
  readonly open: () => Promise<Readable>
}

/**
 * Passes an archive on as it is stored, compressed, when its index says that the archive is all of the tree and all of
 * it is wanted; resolves with undefined otherwise. Names are as in the archive, so whoever unpacks it renames. A piece
 * leaves only after its decompressed bytes were looked at: refuses what {@link AssembleTree} refuses, and members that
 * are not in the index (`archive-differs`). The last piece leaves when the archive was whole and had everything that
 * the index lists.
 */
export type PassTree = (parts: StoredTree) => Promise<AssembledTree | undefined>

/** Makes a tar of one file out of a stream of known length. The stream fails when the length is another. */
export type WrapInTar = (
  content: Readable,
  file: {
    readonly path: Buffer
    readonly size: number
    readonly mode: number
    readonly mtimeMs: number
    readonly dialect: TarDialect
  },
) => Readable

/** A member of a tar that is made here. */
export interface PackedMember {
  readonly entry: TarEntry
  /** Exactly `entry.size` bytes; for files only. */
  readonly content?: AsyncIterable<Buffer> | undefined
}

/**
 * Makes a tar (pax) of members, names byte-exact, in constant memory; a member is asked for when the one before it was
 * taken. The stream fails with what the members throw, and with RangeError when a content has another length.
 * Destroying it ends the iteration.
 */
export type PackTar = (members: AsyncIterable<PackedMember>) => Readable

/**
 * Sorts records by their keys' bytes in bounded memory. Records that do not fit go to a scratch file, which is
 * encrypted with a key of this process only, and is gone when the sorter is disposed. Equal keys keep the order in
 * which they were added.
 */
export interface RecordSorter<T> extends AsyncDisposable {
  /** Synchronous. `value` is anything JSON can hold; it is kept, so do not change it. Throws VaultError when the disk is full. */
  add(key: Buffer, value: T): void
  readonly count: number
  /** Add nothing after this was called. May be called several times, one after the other. */
  sorted(): AsyncGenerator<SortedRecord<T>>
}

export interface SortedRecord<T> {
  readonly key: Buffer
  readonly value: T
}

/** `scratchPath` is where the scratch file goes, if one is needed. */
export type CreateRecordSorter = <T>(scratchPath: string) => RecordSorter<T>
