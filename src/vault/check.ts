import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { RelayError, VaultError } from '../errors.ts'
import type { Manifest } from '../model/snapshot.ts'
import { checkFile, checkSums, readOrFind, type Found } from './check-files.ts'
import type { CheckOptions, VaultProblem } from './contract.ts'
import { DamageBook } from './damage.ts'
import { onDisk } from './disk-error.ts'
import { ifPresent } from './durable.ts'
import { isOtherFormat } from './format.ts'
import { readLedger } from './ledger.ts'
import { ledgerState, type LedgerSnapshot } from './ledger-state.ts'
import { parseLines } from './line-file.ts'
import { hashOf, manifestFiles, parseManifest } from './manifest.ts'
import {
  DAMAGE_FILE,
  isSnapshotName,
  LEDGER_FILE,
  ledgerFile,
  MANIFEST_FILE,
  MOST_BYTES,
  rekeyingDirectory,
  removedManifest,
  removingDirectory,
  RUNS_FILE,
  snapshotDirectory,
} from './paths.ts'
import { describe, insistOnDirectory } from './regular-file.ts'
import { asRekeyed, earlierForms } from './rekeyed.ts'

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
    await insistOnDirectory(hostDir)
    const damage = await DamageBook.read(hostDir)
    const names = (await ifPresent(readdir(hostDir))) ?? []
    const ledger = await readLedger(ledgerFile(hostDir))
    const { snapshots: known } = ledgerState(ledger.records)
    const wanted = options.snapshots === undefined ? undefined : new Set(options.snapshots)
    const isWanted = (id: string) => wanted?.has(id) ?? true
    const problems: VaultProblem[] = ledger.problems.map(({ line, message }) => ({
      host,
      file: LEDGER_FILE,
      code: 'ledger-broken',
      message: `Line ${line} of the ledger ${message}`,
    }))

    for (const entry of [...known.values()].filter(({ id }) => isWanted(id))) {
      const { id } = entry
      const at = now().toISOString()
      const proven = (file?: string) => damage.proven(id, file, at)
      const look = (as: LedgerSnapshot) =>
        as.removed ? checkRemoved(hostDir, as) : checkSnapshot(hostDir, as, options, proven)
      const found = await look(entry)
      const still = found.length === 0 ? [] : await asOfNow(hostDir, entry, found, look)
      if (!entry.removed) for (const one of still) damage.found({ at, snapshot: id, ...one })
      problems.push(...still.map((one) => ({ host, snapshot: id, ...one })))
    }
    problems.push(...(await remember(damage, host)))
    if (wanted === undefined) problems.push(...(await checkLines(hostDir, host)))
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
 * Writes down what was found. A vault that can't be written to is still checked. It is a problem of its own that such a
 * vault will forget the damage; it is no problem that the vault still remembers damage that was mended.
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

/**
 * The problems of the history and of the memory of damage: lines that are not as they were written, or something else
 * in the file's place.
 */
async function checkLines(hostDir: string, host: string): Promise<VaultProblem[]> {
  const problems: VaultProblem[] = []
  for (const file of [RUNS_FILE, DAMAGE_FILE]) {
    const bytes = await readOrFind(join(hostDir, file), file, MOST_BYTES.lines)
    if (bytes === undefined) continue
    if (!Buffer.isBuffer(bytes)) problems.push({ host, ...bytes })
    else {
      const found = parseLines(bytes.toString('utf8')).problems
      problems.push(
        ...found.map(({ line, message }) => ({
          host,
          file,
          code: 'lines-damaged',
          message: `Line ${line} ${message}`,
        })),
      )
    }
  }
  return problems
}

/** The manifest of a removed snapshot must still be there. */
async function checkRemoved(hostDir: string, entry: LedgerSnapshot): Promise<Found[]> {
  const record = `removed/${entry.id}.json`
  // While a removal is under way, the manifest is in one of the other two places.
  const places = [
    [removedManifest(hostDir, entry.id), record],
    [join(snapshotDirectory(hostDir, entry.id), MANIFEST_FILE), MANIFEST_FILE],
    [join(removingDirectory(hostDir, entry.id), MANIFEST_FILE), MANIFEST_FILE],
    [removedManifest(hostDir, entry.id), record],
  ] as const
  for (const [place, name] of places) {
    const bytes = await readOrFind(place, name, MOST_BYTES.manifest)
    if (bytes === undefined) continue
    return Buffer.isBuffer(bytes) ? checkManifestBytes(bytes, entry, name).problems : [bytes]
  }
  return [{ code: 'missing-record', file: record, message: 'The manifest of this removed snapshot is gone' }]
}

async function checkSnapshot(
  hostDir: string,
  entry: LedgerSnapshot,
  options: CheckOptions,
  proven: (file?: string) => void,
): Promise<Found[]> {
  options.signal.throwIfAborted()
  const directory = snapshotDirectory(hostDir, entry.id)
  const stat = await ifPresent(lstat(directory))
  if (stat === undefined) {
    // The removal is decided, and the ledger's line waits for room.
    const removing = join(removingDirectory(hostDir, entry.id), MANIFEST_FILE)
    const bytes = await readOrFind(removing, MANIFEST_FILE, MOST_BYTES.manifest)
    if (Buffer.isBuffer(bytes)) return checkManifestBytes(bytes, entry, MANIFEST_FILE).problems
    return [
      { code: 'missing-snapshot', message: 'The ledger knows this snapshot, but its directory is gone' },
    ]
  }
  if (!stat.isDirectory()) {
    return [{ code: 'not-a-directory', message: `It is ${describe(stat)}, not a directory` }]
  }
  const bytes = await readOrFind(join(directory, MANIFEST_FILE), MANIFEST_FILE, MOST_BYTES.manifest)
  if (bytes === undefined) return [{ code: 'missing-file', file: MANIFEST_FILE, message: 'The file is gone' }]
  if (!Buffer.isBuffer(bytes)) return [bytes]
  const { manifest, problems } = checkManifestBytes(bytes, entry, MANIFEST_FILE)
  proven()
  if (manifest === undefined) return problems
  if (problems.length === 0) proven(MANIFEST_FILE)

  const isRekeying = (await ifPresent(lstat(rekeyingDirectory(hostDir, entry.id)))) !== undefined
  const all = manifestFiles(asRekeyed(manifest, entry.forms))
  const earlier = new Map(manifestFiles(manifest).map((file) => [file.file, earlierForms(file, entry.forms)]))
  const files = all.filter(({ file }) => !entry.removedFiles.has(file) && (options.files?.has(file) ?? true))
  for (const file of files) {
    const expected = { ...file, directory, id: entry.id, earlier: earlier.get(file.file) ?? [], isRekeying }
    problems.push(...(await checkFile(expected, options, proven)))
  }
  // Of what is being given other keys, the sums change a moment after the files.
  const before = isRekeying ? earlier : new Map<string, never>()
  problems.push(...(await checkSums(directory, files, all, before, entry.manifest)))
  return problems
}

/** A manifest against what the ledger wrote down when it was made. */
function checkManifestBytes(
  bytes: Uint8Array,
  entry: LedgerSnapshot,
  file: string,
): { readonly manifest: Manifest | undefined; readonly problems: Found[] } {
  const problems: Found[] = []
  if (hashOf(bytes) !== entry.manifest) {
    problems.push({
      code: 'manifest-differs',
      file,
      message: 'The manifest is not the one that the ledger recorded',
    })
  }
  try {
    const manifest = parseManifest(bytes)
    if (manifest.previous !== entry.previous) {
      problems.push({
        code: 'chain-broken',
        file,
        message: 'The manifest does not follow the snapshot that the ledger has before it',
      })
    }
    return { manifest, problems }
  } catch (error) {
    if (!(error instanceof RelayError) || isOtherFormat(error)) throw error
    problems.push({ code: 'manifest-damaged', file, message: error.message })
    return { manifest: undefined, problems }
  }
}

/** Drops what turns out to have been removed, with a ledger line, while we looked; what got other keys is looked at again. */
async function asOfNow(
  hostDir: string,
  entry: LedgerSnapshot,
  found: Found[],
  look: (entry: LedgerSnapshot) => Promise<Found[]>,
): Promise<Found[]> {
  const { records } = await readLedger(ledgerFile(hostDir))
  const now = ledgerState(records).snapshots.get(entry.id)
  if (now === undefined) return found
  if (now.removed && !entry.removed) return []
  const rekeyed = ({ forms }: LedgerSnapshot) => [...forms.values()].flat().length
  const still = rekeyed(now) === rekeyed(entry) ? found : await look(now)
  return still.filter(({ file }) => file === undefined || !now.removedFiles.has(file))
}
