import type { Attributes, FileEntryWithStats, SFTPWrapper } from 'ssh2'
import { RemoteError, RemoteFileError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import type {
  RemoteDirectoryEntry,
  RemoteFile,
  RemoteFiles,
  RemoteFileStat,
  RemoteFileType,
} from './contract.ts'

/** Status codes of the SSH file transfer protocol, version 3 (draft-ietf-secsh-filexfer-02 section 7). */
const END_OF_FILE = 1
const NO_SUCH_FILE = 2
const PERMISSION_DENIED = 3

/** The file type bits of a mode. */
const TYPES: ReadonlyMap<number, RemoteFileType> = new Map([
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'symlink'],
  [0o010000, 'fifo'],
  [0o140000, 'socket'],
  [0o020000, 'character-device'],
  [0o060000, 'block-device'],
])

/** The character that bytes which are no UTF-8 become when ssh2 decodes a name. */
const REPLACED = '\ufffd'

type Done<T> = (error?: Error | null, value?: T) => void

/**
 * A {@link RemoteFiles} over an SFTP session of ssh2, which decodes names as UTF-8. `lost` makes the error for a
 * session that ended by itself; what is under way when it ends, or when the signal fires, is rejected.
 */
export function createFiles(
  sftp: SFTPWrapper,
  options: {
    readonly host: string
    readonly signal: AbortSignal
    readonly lost: () => Error
    /** ms that a request may wait for its answer while no other is answered. */
    readonly silence: number
    readonly silent: (ms: number) => Error
  },
): RemoteFiles {
  const { host, signal } = options
  const pending = new Set<(reason: Error) => void>()
  let ended: Error | undefined
  let watch: NodeJS.Timeout | undefined
  /** A server that answers any of several requests is not silent. */
  const answered = () => {
    clearTimeout(watch)
    watch = pending.size === 0 ? undefined : setTimeout(stuck, options.silence)
  }
  const end = (reason: Error) => {
    ended ??= reason
    clearTimeout(watch)
    for (const reject of pending) reject(ended)
    pending.clear()
  }
  const stuck = () => {
    end(options.silent(options.silence))
    sftp.end()
  }
  const abort = () => {
    end(signal.reason as Error)
    sftp.end()
  }
  // ssh2 reports a malformed answer as an event, and closes the session.
  sftp.on('error', (error: Error) => end(malformed(host, error)))
  sftp.once('close', () => {
    signal.removeEventListener('abort', abort)
    end(options.lost())
  })
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })

  function call<T>(request: (done: Done<T>) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (ended !== undefined) return reject(ended)
      pending.add(reject)
      if (pending.size === 1) answered()
      request((error, value) => {
        // Answers of an ended session were rejected with the reason already.
        if (!pending.delete(reject)) return
        answered()
        if (error) reject(refusal(host, error) ?? options.lost())
        else resolve(value as T)
      })
    })
  }

  const lstat = async (path: string) => toStat(host, await call<Attributes>((done) => sftp.lstat(path, done)))

  async function isThere(path: string): Promise<boolean> {
    try {
      await lstat(path)
      return true
    } catch (error) {
      if (error instanceof RemoteFileError) return false
      throw error
    }
  }

  return {
    lstat,
    realpath: (path) => call<string>((done) => sftp.realpath(path, done)),
    stat: async (path) => toStat(host, await call<Attributes>((done) => sftp.stat(path, done))),
    readlink: (path) => call<string>((done) => sftp.readlink(path, done)),

    async *list(path) {
      const handle = await call<Buffer>((done) => sftp.opendir(path, done))
      // Two names decode to the same text, so the bytes of at least one of them differ from it.
      const replaced = new Set<string>()
      const isExact = async (name: string): Promise<boolean> => {
        if (!name.includes(REPLACED)) return true
        if (replaced.has(name)) return false
        replaced.add(name)
        return isThere(`${path === '/' ? '' : path}/${name}`)
      }
      try {
        // The next request is on its way while an answer is looked at.
        let next = nextNames(handle)
        for (;;) {
          const batch = await next
          if (batch === undefined) return
          next = nextNames(handle)
          next.catch(() => {})
          const entries: RemoteDirectoryEntry[] = []
          for (const { filename: name, attrs } of batch) {
            if (name === '' || name.includes('/') || name.includes('\0')) {
              throw malformed(host, new Error(`${JSON.stringify(name)} is no file name`))
            }
            entries.push({ name, exact: await isExact(name), stat: toStat(host, attrs) })
          }
          yield entries
        }
      } finally {
        closeQuietly(handle)
      }
    },

    async open(path): Promise<RemoteFile> {
      const handle = await call<Buffer>((done) => sftp.open(path, 'r', done))
      let closed = false
      return {
        stat: async () => toStat(host, await call<Attributes>((done) => sftp.fstat(handle, done))),
        read: (position, length) => readFully(handle, position, length),
        async close() {
          if (closed) return
          closed = true
          await call<void>((done) => sftp.close(handle, done))
        },
      }
    },

    [Symbol.asyncDispose](): Promise<void> {
      end(new RemoteError('sftp-closed', 'The SFTP session was closed', { host }))
      signal.removeEventListener('abort', abort)
      sftp.end()
      return Promise.resolve()
    },
  }

  /** The next names of a directory; undefined at its end. */
  async function nextNames(handle: Buffer): Promise<FileEntryWithStats[] | undefined> {
    try {
      return await call<FileEntryWithStats[]>((done) =>
        sftp.readdir(handle, done as Done<FileEntryWithStats[]>),
      )
    } catch (error) {
      if (error instanceof RemoteFileError && statusOf(error) === END_OF_FILE) return undefined
      throw error
    }
  }

  /** A server may answer a read with fewer bytes than asked for, also in the middle of a file. */
  async function readFully(handle: Buffer, position: number, length: number): Promise<Buffer> {
    if (length === 0) return Buffer.alloc(0)
    const bytes = Buffer.allocUnsafe(length)
    let have = 0
    while (have < length) {
      const at = have
      const got = await call<number>((done) => {
        sftp.read(handle, bytes, at, length - at, position + at, (error, count) => done(error, count))
      })
      if (got === 0) break
      have += got
    }
    return bytes.subarray(0, have)
  }

  function closeQuietly(handle: Buffer): void {
    call<void>((done) => sftp.close(handle, done)).catch(() => {})
  }
}

function toStat(host: string, attributes: Partial<Attributes>): RemoteFileStat {
  const { mode, uid, gid, size, mtime } = attributes
  const type = mode === undefined ? undefined : TYPES.get(mode & 0o170000)
  if (mode === undefined || type === undefined || uid === undefined || gid === undefined) {
    throw new RemoteError(
      'sftp-attributes',
      'The SFTP server does not tell the type, mode and owner of files',
      {
        host,
        next: 'Such files can not be put back as they were. Use a user with a shell, or an SFTP server that tells them',
      },
    )
  }
  return { type, mode: mode & 0o7777, uid, gid, size: size ?? 0, mtime: mtime ?? 0 }
}

/** Undefined for an error that is no answer of the server, because the session ended. */
function refusal(host: string, error: Error): RemoteFileError | undefined {
  const status = (error as { readonly code?: unknown }).code
  if (typeof status !== 'number') return undefined
  const problem =
    status === NO_SUCH_FILE ? 'missing' : status === PERMISSION_DENIED ? 'denied' : ('failed' as const)
  return new RemoteFileError(problem, printable(error.message), { host, cause: error })
}

function statusOf(error: RemoteFileError): unknown {
  return (error.cause as { readonly code?: unknown }).code
}

function malformed(host: string, error: Error): RemoteError {
  return new RemoteError('sftp-protocol', `The SFTP server's answer is none: ${printable(error.message)}`, {
    host,
    next: 'Compare with: sftp -v. A login shell that prints something is in the way, or the server is broken',
    cause: error,
  })
}
