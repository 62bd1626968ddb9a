import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { RelayError } from '../errors.ts'
import type { Manifest } from '../model/snapshot.ts'
import { ifPresent } from './durable.ts'
import { isOtherFormat } from './format.ts'
import { appendLedger, readLedger } from './ledger.ts'
import { ledgerState, type LedgerSnapshot, type LedgerState } from './ledger-state.ts'
import { manifestFiles } from './manifest.ts'
import {
  isSnapshotName,
  ledgerFile,
  PARTIAL_PREFIX,
  REKEYING_PREFIX,
  REMOVING_PREFIX,
  snapshotDirectory,
} from './paths.ts'
import { directoryNames, readManifest } from './read-snapshots.ts'
import { finishRekeying } from './rekey.ts'
import { finishRemoval, removeArchiveFiles, removeFiles, setAside } from './remove.ts'

/**
 * Removes what dead runs left, under the host's lock: provisional directories go, and removals that were begun are
 * finished, with a line in the ledger where there was no room for it then. It deletes nothing but `.partial-*`,
 * `.removing-*` and what the ledger says was removed. Returns the ledger's state.
 */
export async function sweepLeftovers(hostDir: string, at: Date): Promise<LedgerState> {
  const names = directoryNames(await readdir(hostDir, { withFileTypes: true }))
  for (const name of names) {
    if (isLeftover(name, PARTIAL_PREFIX)) await rm(join(hostDir, name), { recursive: true, force: true })
  }
  const read = async () => ledgerState((await readLedger(ledgerFile(hostDir))).records)
  const begun = names.filter((name) => isLeftover(name, REMOVING_PREFIX))
  for (const id of begun.map((name) => name.slice(REMOVING_PREFIX.length))) {
    await setAside(hostDir, id)
    await recordRemoval(hostDir, (await read()).snapshots.get(id), at)
    await finishRemoval(hostDir, id)
  }
  const state = await read()
  for (const name of names.filter((one) => isLeftover(one, REKEYING_PREFIX))) {
    const id = name.slice(REKEYING_PREFIX.length)
    await finishRekeying(hostDir, id, state.snapshots.get(id))
  }
  for (const id of names.filter(isSnapshotName)) {
    const known = state.snapshots.get(id)
    if (known?.removed === true) await removeFiles(hostDir, id)
    else if (known !== undefined && known.removedFiles.size > 0) {
      await removeArchiveFiles(snapshotDirectory(hostDir, id), known.removedFiles)
    }
  }
  return state
}

async function recordRemoval(hostDir: string, known: LedgerSnapshot | undefined, at: Date): Promise<void> {
  if (known === undefined || known.removed) return
  await appendLedger(ledgerFile(hostDir), {
    at: at.toISOString(),
    event: 'removed',
    snapshot: known.id,
    manifest: known.manifest,
    why: 'its removal had begun on a full disk',
  })
}

/**
 * Writes the ledger line of a snapshot that a crash left renamed into place but not recorded. Returns the
 * ledger's state after it.
 */
export async function adoptUnrecorded(
  hostDir: string,
  host: string,
  before: LedgerState,
  at: Date,
): Promise<LedgerState> {
  let state = before
  const ids = directoryNames(await readdir(hostDir, { withFileTypes: true })).filter(
    (name) => isSnapshotName(name) && !before.snapshots.has(name),
  )
  for (const id of ids.sort()) {
    if (await adopt(hostDir, host, id, state, at)) {
      state = ledgerState((await readLedger(ledgerFile(hostDir))).records)
    }
  }
  return state
}

function isLeftover(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && isSnapshotName(name.slice(prefix.length))
}

/**
 * A crash can leave only the very next snapshot after the ledger's last one. Any other snapshot needs a person's
 * decision.
 */
async function adopt(
  hostDir: string,
  host: string,
  id: string,
  state: LedgerState,
  at: Date,
): Promise<boolean> {
  const directory = snapshotDirectory(hostDir, id)
  const stored = await readManifest(directory).catch((error: unknown) => {
    if (error instanceof RelayError && !isOtherFormat(error)) return undefined
    throw error
  })
  if (stored === undefined) return false
  const { manifest, manifestHash } = stored
  if (manifest.id !== id || manifest.host !== host || manifest.previous !== state.newestManifest) return false
  if (!(await isWhole(directory, manifest))) return false
  await appendLedger(ledgerFile(hostDir), {
    at: at.toISOString(),
    event: 'made',
    snapshot: id,
    manifest: manifestHash,
    purpose: manifest.purpose,
    complete: manifest.complete,
  })
  return true
}

async function isWhole(directory: string, manifest: Manifest): Promise<boolean> {
  for (const { file, bytes } of manifestFiles(manifest)) {
    if ((await ifPresent(lstat(join(directory, file))))?.size !== bytes) return false
  }
  return true
}
