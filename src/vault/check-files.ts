import { createHash } from 'node:crypto'
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ManifestFile } from '../model/snapshot.ts'
import type { CheckOptions, VaultProblem } from './contract.ts'
import { errorCode, ifPresent } from './durable.ts'
import { fileLook } from './file-look.ts'
import { MANIFEST_FILE, MOST_BYTES, SUMS_FILE } from './paths.ts'
import { describe, isForeign, openRegular, readRegular } from './regular-file.ts'
import { sumsFileName } from './sums.ts'
import { formatCount, formatNumber } from '../model/units.ts'

/** A problem of a snapshot. The caller knows which snapshot. */
export type Found = Omit<VaultProblem, 'host' | 'snapshot'>

/** Read at a time; small files take no more memory than they need. */
const READ_BYTES = 1024 * 1024

/** Codes of errors that say nothing about the file. */
const OURS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

/** The content of a small file, the problem that keeps it from being read, or undefined when there is none. */
export async function readOrFind(
  path: string,
  file: string,
  most: number,
): Promise<Buffer | Found | undefined> {
  try {
    return await ifPresent(readRegular(path, most))
  } catch (error) {
    if (isForeign(error)) return { file, code: error.code, message: withoutPath(error.message, path) }
    const code = errorCode(error)
    if (code === undefined || OURS.has(code)) throw error
    return { file, code: 'unreadable', message: `The file can't be read (${code})` }
  }
}

/** The message follows the file's name, so it does not repeat the name. */
function withoutPath(message: string, path: string): string {
  return `It${message.startsWith(path) ? message.slice(path.length) : `: ${message}`}`
}

/** One file of a snapshot against its manifest. `proven` is called when its content was read and is right. */
export async function checkFile(
  expected: ManifestFile & {
    readonly directory: string
    readonly id: string
    /** What it was before it got other keys. */
    readonly earlier: readonly FileForm[]
    /** It may be getting other keys now. */
    readonly isRekeying: boolean
  },
  options: CheckOptions,
  proven: (file: string) => void,
): Promise<Found[]> {
  const { directory, id, file } = expected
  const path = join(directory, file)
  const stat = await ifPresent(lstat(path))
  if (stat === undefined) return [{ code: 'missing-file', file, message: 'The file is gone' }]
  if (!stat.isFile()) return [{ code: 'not-a-file', file, message: `It is ${describe(stat)}, not a file` }]
  const { size } = stat
  const isEarlier = (form: Partial<FileForm>) =>
    expected.earlier.some(({ bytes, sha256 }) => bytes === size && (form.sha256 ?? sha256) === sha256)
  if (size !== expected.bytes && !isEarlier({})) {
    return [
      {
        code: 'size-differs',
        file,
        message: `The file has ${formatCount(size, 'byte')}, not ${formatNumber(expected.bytes)}`,
      },
    ]
  }
  if (!options.hashes) return []
  const name = `${id}/${file}`
  // The look is taken before the reading, so that a write to the file meanwhile shows next time.
  const look = await fileLook(path)
  if (look !== undefined && options.known?.get(name) === look) {
    options.onProven?.(name, look)
    return []
  }
  // Of a file that never got other keys the hash says it all.
  const offset = expected.earlier.length === 0 ? undefined : expected.body.offset
  const hash = await hashFile(path, size, offset, options)
  if ('unreadable' in hash) {
    return [{ code: 'unreadable', file, message: `The file can't be read (${hash.unreadable})` }]
  }
  if (hash.sha256 !== expected.sha256 && isEarlier(hash)) {
    if (expected.isRekeying) return []
    return [{ code: 'not-rekeyed', file, message: 'The file is as it was before it got other keys' }]
  }
  if (hash.sha256 !== expected.sha256) {
    return [{ code: 'hash-differs', file, message: 'The content is not what was written (SHA-256 differs)' }]
  }
  if (hash.body !== undefined && hash.body !== expected.body.sha256) {
    return [{ code: 'body-differs', file, message: 'Its body is not what was written (SHA-256 differs)' }]
  }
  proven(file)
  if (look !== undefined) options.onProven?.(name, look)
  return []
}

/** A file as it was at some time. */
type FileForm = Pick<ManifestFile, 'bytes' | 'sha256'>

/**
 * Hex SHA-256 of a file of so many bytes, and of what begins at `offset` where that is given; or why the file can't be
 * read: a bad sector is a finding and must not end the check. When the file grows meanwhile, only one byte more is read.
 */
async function hashFile(
  path: string,
  bytes: number,
  offset: number | undefined,
  options: CheckOptions,
): Promise<{ readonly sha256: string; readonly body?: string } | { readonly unreadable: string }> {
  const hash = createHash('sha256')
  const body = offset === undefined ? undefined : createHash('sha256')
  let total = 0
  try {
    await using handle = await openRegular(path, 'read')
    const buffer = Buffer.allocUnsafe(Math.min(bytes, READ_BYTES) + 1)
    while (total <= bytes) {
      options.signal.throwIfAborted()
      const { bytesRead } = await handle.read(buffer, 0, buffer.length)
      if (bytesRead === 0) break
      const piece = buffer.subarray(0, bytesRead)
      hash.update(piece)
      body?.update(piece.subarray(Math.max(0, (offset ?? 0) - total)))
      total += bytesRead
      options.onBytes?.(bytesRead)
    }
    return { sha256: hash.digest('hex'), ...(body && { body: body.digest('hex') }) }
  } catch (error) {
    options.signal.throwIfAborted()
    if (isForeign(error)) return { unreadable: error.code }
    const code = errorCode(error)
    if (code === undefined || OURS.has(code)) throw error
    return { unreadable: code }
  }
}

/**
 * SHA256SUMS has the right line for every file that is there, and no other. Lines of removed archives are dropped a
 * moment after them.
 *
 * @param files what must be in it; @param all what may be; @param earlier what may stand there instead
 */
export async function checkSums(
  directory: string,
  files: readonly ManifestFile[],
  all: readonly ManifestFile[],
  earlier: ReadonlyMap<string, readonly FileForm[]>,
  manifestHash: string,
): Promise<Found[]> {
  const bytes = await readOrFind(join(directory, SUMS_FILE), SUMS_FILE, MOST_BYTES.sums)
  if (bytes === undefined) return [{ code: 'missing-file', file: SUMS_FILE, message: 'The file is gone' }]
  if (!Buffer.isBuffer(bytes)) return [bytes]
  const lines = bytes.toString('utf8').split('\n')
  // Behind the last newline there is nothing.
  if (lines.at(-1) === '') lines.pop()
  const manifest = { file: MANIFEST_FILE, sha256: manifestHash }
  const right = new Map([...all, manifest].map(({ file, sha256 }) => [file, sha256]))
  const seen = new Set<string>()
  const others = lines.flatMap((line, index) => {
    const file = sumsFileName(line)
    const sha256 = line.slice(0, 64)
    const isSum = right.get(file) === sha256 || earlier.get(file)?.some((form) => form.sha256 === sha256)
    const isRight = /^[0-9a-f]{64} [ *]./.test(line) && isSum
    if (isRight && !seen.has(file)) {
      seen.add(file)
      return []
    }
    return [right.has(file) && !seen.has(file) ? file : `line ${index + 1}`]
  })
  const missing = [...files, manifest].flatMap(({ file }) => (seen.has(file) ? [] : [file]))
  const wrong = [...new Set([...missing, ...others])]
  if (wrong.length === 0) return []
  return [
    { code: 'sums-differ', file: SUMS_FILE, message: `The checksum file is wrong about ${wrong.join(', ')}` },
  ]
}
