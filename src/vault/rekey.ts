import { lstat, open, readdir, rename, rm, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { MessageHash } from '../model/message-hash.ts'
import { sourceFiles, type ManifestFile } from '../model/snapshot.ts'
import type { NewHead, RekeyedFile, Snapshot } from './contract.ts'
import { errorCode, FILE_MODE, ifPresent, makeDirectory, replaceFile, syncDirectory } from './durable.ts'
import type { LedgerSnapshot } from './ledger-state.ts'
import { MOST_BYTES, rekeyingDirectory, snapshotDirectory, SUMS_FILE } from './paths.ts'
import { isForeign, openRegular, readRegular } from './regular-file.ts'
import { sumsFileName } from './sums.ts'

/** Read at a time. */
const READ_BYTES = 1024 * 1024

/** What {@link prepareRekeying} made beside the snapshot, proven and on the disk, and what it had to leave out. */
export interface PreparedRekeying {
  readonly files: readonly RekeyedFile[]
  /** Names of files whose body is not what the manifest says. */
  readonly damaged: readonly string[]
}

/**
 * Writes each file with its new session-key packets into `.rekeying-<id>`, brings it to the disk, and reads it back:
 * its body must be the manifest's. Nothing of the snapshot is touched. Where it throws, the directory is for the caller
 * to remove.
 */
export async function prepareRekeying(
  hostDir: string,
  snapshot: Snapshot,
  heads: readonly NewHead[],
  signal: AbortSignal,
): Promise<PreparedRekeying> {
  const beside = rekeyingDirectory(hostDir, snapshot.id)
  await makeDirectory(beside)
  const known = new Map(snapshot.manifest.sources.flatMap(sourceFiles).map((file) => [file.file, file]))
  const files: RekeyedFile[] = []
  const damaged: string[] = []
  for (const head of heads) {
    signal.throwIfAborted()
    const file = known.get(head.file)
    if (file === undefined) throw new Error(`${snapshot.id} has no file ${head.file}`)
    const from = join(snapshotDirectory(hostDir, snapshot.id), file.file)
    const to = join(beside, file.file)
    const made = await writeWithHead(from, to, head, file, signal)
    if (made !== undefined) files.push(made)
    else {
      damaged.push(file.file)
      await ifPresent(unlink(to))
    }
  }
  await syncDirectory(beside)
  await syncDirectory(hostDir)
  return { files, damaged }
}

/** Undefined when the body is another than the manifest's, before or after it was copied. */
async function writeWithHead(
  from: string,
  to: string,
  { file, head, offset }: NewHead,
  { body }: ManifestFile,
  signal: AbortSignal,
): Promise<RekeyedFile | undefined> {
  const copied = new MessageHash(head.length)
  {
    await using source = await unlessUnreadable(openRegular(from, 'read'))
    if (source === undefined) return undefined
    await using target = await open(to, 'wx', FILE_MODE)
    await target.chmod(FILE_MODE)
    copied.update(head)
    await target.appendFile(head)
    for (let position = offset; ;) {
      signal.throwIfAborted()
      const piece = await unlessUnreadable(readPiece(source, position))
      if (piece === undefined) return undefined
      if (piece.length === 0) break
      copied.update(piece)
      await target.appendFile(piece)
      position += piece.length
    }
    await target.sync()
  }
  const written = copied.digest()
  const onDisk = await hashOfMessage(to, head.length, signal)
  const isWhole =
    written.body.sha256 === body.sha256 &&
    written.body.bytes === body.bytes &&
    onDisk.sha256 === written.sha256
  return isWhole ? { file, bytes: written.bytes, sha256: written.sha256, offset: head.length } : undefined
}

async function readPiece(handle: FileHandle, position: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, position)
  return buffer.subarray(0, bytesRead)
}

/** A bad sector, or something else in the place of a file, is that file's damage and ends nothing else. */
async function unlessUnreadable<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (isForeign(error) || ['ENOENT', 'EIO', 'EACCES'].includes(errorCode(error) ?? '')) return undefined
    throw error
  }
}

async function hashOfMessage(path: string, offset: number, signal?: AbortSignal) {
  const whole = new MessageHash(offset)
  await using handle = await openRegular(path, 'read')
  for (let position = 0; ;) {
    signal?.throwIfAborted()
    const piece = await readPiece(handle, position)
    if (piece.length === 0) return whole.digest()
    whole.update(piece)
    position += piece.length
  }
}

/** What the ledger says of the snapshot. */
type Rekeyed = Pick<LedgerSnapshot, 'removed' | 'forms'> & { readonly removedFiles: ReadonlySet<string> }

/**
 * Puts the files that the ledger has as `rekeyed` in the place of the old ones, and SHA256SUMS in accord with them;
 * what lies in `.rekeying-<id>` and the ledger does not know is removed with it. Every step can be done again: the
 * sweep calls this for what a crash cut short.
 */
export async function finishRekeying(hostDir: string, id: string, known: Rekeyed | undefined): Promise<void> {
  const beside = rekeyingDirectory(hostDir, id)
  const directory = snapshotDirectory(hostDir, id)
  const forms = known?.removed === false ? known.forms : new Map<string, never>()
  // Without the snapshot's directory, which is damage, what lies here may be all that is left of it.
  if (forms.size > 0 && (await ifPresent(lstat(directory))) === undefined) return
  for (const name of (await ifPresent(readdir(beside))) ?? []) {
    const latest = forms.get(name)?.at(-1)
    if (latest === undefined || known?.removedFiles.has(name) === true) continue
    const path = join(beside, name)
    const { sha256 } = await hashOfMessage(path, 0)
    if (sha256 === latest.sha256) await rename(path, join(directory, name))
  }
  if (forms.size > 0) {
    await syncDirectory(directory)
    await renewSums(join(directory, SUMS_FILE), new Map([...forms].map(([name, all]) => [name, all.at(-1)])))
  }
  await rm(beside, { recursive: true, force: true })
  await syncDirectory(hostDir)
}

async function renewSums(path: string, latest: ReadonlyMap<string, RekeyedFile | undefined>): Promise<void> {
  const text = (await ifPresent(readRegular(path, MOST_BYTES.sums)))?.toString('utf8') ?? ''
  const renewed = text
    .split('\n')
    .map((line) => {
      const form = latest.get(sumsFileName(line))
      return form === undefined ? line : `${form.sha256}  ${form.file}`
    })
    .join('\n')
  if (renewed !== text) await replaceFile(path, renewed)
}
