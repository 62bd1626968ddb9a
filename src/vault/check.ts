import { createHash } from 'node:crypto'
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { RelayError, VaultError } from '../errors.ts'
import type { Manifest } from '../model/snapshot.ts'
import type { CheckOptions, VaultProblem } from './contract.ts'
import { DamageBook } from './damage.ts'
import { onDisk } from './disk-error.ts'
import { errorCode, ifPresent } from './durable.ts'
import { fileLook } from './file-look.ts'
import { readLedger } from './ledger.ts'
import { ledgerState, type LedgerSnapshot } from './ledger-state.ts'
import { hashOf, manifestFiles, parseManifest, type ManifestFile } from './manifest.ts'
import {
  DAMAGE_FILE,
  isSnapshotName,
  ledgerFile,
  MANIFEST_FILE,
  removedManifest,
  removingDirectory,
  snapshotDirectory,
  SUMS_FILE,
} from './paths.ts'
import { parseSums } from './sums.ts'

/** Read at a time; small files take no more memory than they need. */
const READ_BYTES = 1024 * 1024

/** Errors that say nothing about the file. */
const OURS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

type Found = Omit<VaultProblem, 'host' | 'snapshot'>

/**
 * Compares one host's directory with its ledger and manifests; retired snapshots too. Needs no lock: what a
 * rotation takes away meanwhile is looked up in the ledger again before it is called damage.
 */
export async function checkHost(
  hostDir: string,
  host: string,
  options: CheckOptions,
  now: () => Date,
): Promise<VaultProblem[]> {
  return onDisk(hostDir, async () => {
    const damage = await DamageBook.read(hostDir)
    const names = (await ifPresent(readdir(hostDir))) ?? []
    const ledger = await readLedger(ledgerFile(hostDir))
    const { snapshots: known } = ledgerState(ledger.records)
    const wanted = options.snapshots === undefined ? undefined : new Set(options.snapshots)
    const isWanted = (id: string) => wanted?.has(id) ?? true
    const problems: VaultProblem[] = ledger.problems.map(({ line, message }) => ({
      host,
      file: 'ledger.jsonl',
      code: 'ledger-broken',
      message: `Line ${line} of the ledger ${message}`,
    }))

    for (const entry of [...known.values()].filter(({ id }) => isWanted(id))) {
      const { id } = entry
      const at = now().toISOString()
      const proven = (file?: string) => damage.proven(id, file, at)
      const found = entry.removed
        ? await checkRemoved(hostDir, entry)
        : await checkSnapshot(hostDir, entry, options, proven)
      const still = found.length === 0 ? [] : await withoutRemovals(hostDir, entry, found)
      if (!entry.removed) for (const one of still) damage.found({ at, snapshot: id, ...one })
      problems.push(...still.map((one) => ({ host, snapshot: id, ...one })))
    }
    problems.push(...(await remember(damage, host)))
    for (const id of names.filter((name) => isSnapshotName(name) && !known.has(name) && isWanted(name))) {
      problems.push({
        host,
        snapshot: id,
        code: 'unknown-snapshot',
        message: 'The ledger does not know this directory',
      })
    }
    return problems
  })
}

/**
 * Writes down what was found. A vault that can't be written to is still checked: that its damage will be forgotten is
 * a problem of its own, that mended damage is still remembered is none.
 */
async function remember(damage: DamageBook, host: string): Promise<VaultProblem[]> {
  try {
    await damage.save()
    return []
  } catch (error) {
    if (!(error instanceof VaultError)) throw error
    const message = `What was found can't be written down: ${error.message}`
    return damage.hasFound ? [{ host, file: DAMAGE_FILE, code: 'not-remembered', message }] : []
  }
}

/** Of a removed snapshot the manifest stays. */
async function checkRemoved(hostDir: string, entry: LedgerSnapshot): Promise<Found[]> {
  // A removal on its way has it in one of the other two places.
  const places = [
    removedManifest(hostDir, entry.id),
    join(snapshotDirectory(hostDir, entry.id), MANIFEST_FILE),
    join(removingDirectory(hostDir, entry.id), MANIFEST_FILE),
    removedManifest(hostDir, entry.id),
  ]
  for (const place of places) {
    const bytes = await ifPresent(readFile(place))
    if (bytes !== undefined) return checkManifestBytes(bytes, entry).problems
  }
  return [
    {
      code: 'missing-record',
      file: `removed/${entry.id}.json`,
      message: 'The manifest of this removed snapshot is gone',
    },
  ]
}

async function checkSnapshot(
  hostDir: string,
  entry: LedgerSnapshot,
  options: CheckOptions,
  proven: (file?: string) => void,
): Promise<Found[]> {
  options.signal.throwIfAborted()
  const directory = snapshotDirectory(hostDir, entry.id)
  if ((await ifPresent(stat(directory))) === undefined) {
    // Decided, and the ledger's line waits for room.
    const removing = await ifPresent(readFile(join(removingDirectory(hostDir, entry.id), MANIFEST_FILE)))
    if (removing !== undefined) return checkManifestBytes(removing, entry).problems
    return [
      { code: 'missing-snapshot', message: 'The ledger knows this snapshot, but its directory is gone' },
    ]
  }
  const bytes = await ifPresent(readFile(join(directory, MANIFEST_FILE)))
  if (bytes === undefined) return [{ code: 'missing-file', file: MANIFEST_FILE, message: 'The file is gone' }]
  const { manifest, problems } = checkManifestBytes(bytes, entry)
  proven()
  if (manifest === undefined) return problems
  if (problems.length === 0) proven(MANIFEST_FILE)

  const files = manifestFiles(manifest).filter(
    ({ file }) => !entry.removedFiles.has(file) && (options.files?.has(file) ?? true),
  )
  for (const file of files)
    problems.push(...(await checkFile({ ...file, directory, id: entry.id }, options, proven)))
  problems.push(...(await checkSums(directory, files, entry.manifest)))
  return problems
}

/** A manifest against what the ledger wrote down when it was made. */
function checkManifestBytes(
  bytes: Uint8Array,
  entry: LedgerSnapshot,
): { readonly manifest: Manifest | undefined; readonly problems: Found[] } {
  const problems: Found[] = []
  if (hashOf(bytes) !== entry.manifest) {
    problems.push({
      code: 'manifest-differs',
      file: MANIFEST_FILE,
      message: 'The manifest is not the one that the ledger recorded',
    })
  }
  try {
    const manifest = parseManifest(bytes)
    if (manifest.previous !== entry.previous) {
      problems.push({
        code: 'chain-broken',
        file: MANIFEST_FILE,
        message: 'The manifest does not follow the snapshot that the ledger has before it',
      })
    }
    return { manifest, problems }
  } catch (error) {
    if (!(error instanceof RelayError)) throw error
    problems.push({ code: 'manifest-damaged', file: MANIFEST_FILE, message: error.message })
    return { manifest: undefined, problems }
  }
}

async function checkFile(
  expected: ManifestFile & { readonly directory: string; readonly id: string },
  options: CheckOptions,
  proven: (file: string) => void,
): Promise<Found[]> {
  const { directory, id, file } = expected
  const path = join(directory, file)
  const size = (await ifPresent(stat(path)))?.size
  if (size === undefined) return [{ code: 'missing-file', file, message: 'The file is gone' }]
  if (size !== expected.bytes) {
    return [{ code: 'size-differs', file, message: `The file has ${size} bytes, not ${expected.bytes}` }]
  }
  if (!options.hashes) return []
  const name = `${id}/${file}`
  // Before the reading: what is written to the file meanwhile must show next time.
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

/** Hex SHA-256, or why the file can't be read: a bad sector is a finding and must not end the check. */
async function hashFile(
  path: string,
  bytes: number,
  options: CheckOptions,
): Promise<string | { readonly unreadable: string }> {
  const hash = createHash('sha256')
  try {
    await using handle = await open(path, 'r')
    const buffer = Buffer.allocUnsafe(Math.min(bytes, READ_BYTES) + 1)
    for (;;) {
      options.signal.throwIfAborted()
      const { bytesRead } = await handle.read(buffer, 0, buffer.length)
      if (bytesRead === 0) return hash.digest('hex')
      hash.update(buffer.subarray(0, bytesRead))
      options.onBytes?.(bytesRead)
    }
  } catch (error) {
    options.signal.throwIfAborted()
    const code = errorCode(error)
    if (code === undefined || OURS.has(code)) throw error
    return { unreadable: code }
  }
}

/** SHA256SUMS has the right line for every file. Lines of removed archives are dropped a moment after them. */
async function checkSums(
  directory: string,
  files: readonly ManifestFile[],
  manifestHash: string,
): Promise<Found[]> {
  const text = await ifPresent(readFile(join(directory, SUMS_FILE), 'utf8'))
  if (text === undefined) return [{ code: 'missing-file', file: SUMS_FILE, message: 'The file is gone' }]
  const sums = parseSums(text)
  const wrong = [...files, { file: MANIFEST_FILE, sha256: manifestHash }].filter(
    ({ file, sha256 }) => sums.get(file) !== sha256,
  )
  if (wrong.length === 0) return []
  const names = wrong.map(({ file }) => file).join(', ')
  return [{ code: 'sums-differ', file: SUMS_FILE, message: `The checksum file is wrong about ${names}` }]
}

/** Drops what turns out to have been removed, with a ledger line, while we looked. */
async function withoutRemovals(hostDir: string, entry: LedgerSnapshot, found: Found[]): Promise<Found[]> {
  const { records } = await readLedger(ledgerFile(hostDir))
  const now = ledgerState(records).snapshots.get(entry.id)
  if (now?.removed === true && !entry.removed) return []
  return found.filter(({ file }) => file === undefined || now?.removedFiles.has(file) !== true)
}
