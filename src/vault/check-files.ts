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
  expected: ManifestFile & { readonly directory: string; readonly id: string },
  options: CheckOptions,
  proven: (file: string) => void,
): Promise<Found[]> {
  const { directory, id, file } = expected
  const path = join(directory, file)
  const stat = await ifPresent(lstat(path))
  if (stat === undefined) return [{ code: 'missing-file', file, message: 'The file is gone' }]
  if (!stat.isFile()) return [{ code: 'not-a-file', file, message: `It is ${describe(stat)}, not a file` }]
  const { size } = stat
  if (size !== expected.bytes) {
    return [{ code: 'size-differs', file, message: `The file has ${size} bytes, not ${expected.bytes}` }]
  }
  if (!options.hashes) return []
  const name = `${id}/${file}`
  // The look is taken before the reading, so that a write to the file meanwhile shows next time.
  const look = await fileLook(path)
  if (look !== undefined && options.known?.get(name) === look) {
    options.onProven?.(name, look)
    return []
  }
  const hash = await hashFile(path, size, options)
  if (typeof hash !== 'string') {
    return [{ code: 'unreadable', file, message: `The file can't be read (${hash.unreadable})` }]
  }
  if (hash !== expected.sha256) {
    return [{ code: 'hash-differs', file, message: 'The content is not what was written (SHA-256 differs)' }]
  }
  proven(file)
  if (look !== undefined) options.onProven?.(name, look)
  return []
}

/**
 * Hex SHA-256 of a file of so many bytes, or why the file can't be read: a bad sector is a finding and must not end the
 * check. When the file grows meanwhile, only one byte more is read.
 */
async function hashFile(
  path: string,
  bytes: number,
  options: CheckOptions,
): Promise<string | { readonly unreadable: string }> {
  const hash = createHash('sha256')
  let total = 0
  try {
    await using handle = await openRegular(path, 'read')
    const buffer = Buffer.allocUnsafe(Math.min(bytes, READ_BYTES) + 1)
    while (total <= bytes) {
      options.signal.throwIfAborted()
      const { bytesRead } = await handle.read(buffer, 0, buffer.length)
      if (bytesRead === 0) break
      hash.update(buffer.subarray(0, bytesRead))
      total += bytesRead
      options.onBytes?.(bytesRead)
    }
    return hash.digest('hex')
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
 * @param files what must be in it; @param all what may be
 */
export async function checkSums(
  directory: string,
  files: readonly ManifestFile[],
  all: readonly ManifestFile[],
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
    const isRight = /^[0-9a-f]{64} [ *]./.test(line) && right.get(file) === line.slice(0, 64)
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
