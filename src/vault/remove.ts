import { readdir, rename, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { isVaultFull } from './disk-error.ts'
import { ifPresent, makeDirectory, replaceFile, syncDirectory } from './durable.ts'
import {
  MANIFEST_FILE,
  MOST_BYTES,
  removedDirectory,
  removedManifest,
  removingDirectory,
  snapshotDirectory,
  SUMS_FILE,
} from './paths.ts'
import { insistOnDirectory, readRegular } from './regular-file.ts'
import { sumsFileName } from './sums.ts'

/**
 * Takes a snapshot's files away after the ledger said so. Every step can be done again: the sweep calls this
 * for a removal that a crash cut short. The manifest moves, it is not copied: a full disk must not stop a
 * removal.
 */
export async function removeFiles(hostDir: string, id: string): Promise<void> {
  await setAside(hostDir, id)
  await finishRemoval(hostDir, id)
}

/**
 * A removal's first half, which needs no room: renames the directory and deletes all in it but the manifest. By its
 * name alone the removal is decided: where there was no room for the ledger's line before it, the line is written
 * after it, by the next run if need be.
 */
export async function setAside(hostDir: string, id: string): Promise<void> {
  const removing = removingDirectory(hostDir, id)
  await ifPresent(rename(snapshotDirectory(hostDir, id), removing))
  await syncDirectory(hostDir)
  await insistOnDirectory(removing)
  for (const name of (await ifPresent(readdir(removing))) ?? []) {
    if (name !== MANIFEST_FILE) await rm(join(removing, name), { recursive: true, force: true })
  }
}

/** The second half, also for a `.removing-*` directory that was left over. */
export async function finishRemoval(hostDir: string, id: string): Promise<void> {
  const removing = removingDirectory(hostDir, id)
  if (await makeDirectory(removedDirectory(hostDir))) await syncDirectory(hostDir)
  await insistOnDirectory(removedDirectory(hostDir))
  await insistOnDirectory(removing)
  await ifPresent(rename(join(removing, MANIFEST_FILE), removedManifest(hostDir, id)))
  await syncDirectory(removedDirectory(hostDir))
  await rm(removing, { recursive: true, force: true })
}

/**
 * Takes single archives away after the ledger said so, and keeps `sha256sum -c` true. Can be done again. The
 * files go first: a full disk must not stop a removal.
 */
export async function removeArchiveFiles(directory: string, files: ReadonlySet<string>): Promise<void> {
  for (const file of files) await ifPresent(unlink(join(directory, file)))
  await syncDirectory(directory)
  const sums = join(directory, SUMS_FILE)
  const text = (await ifPresent(readRegular(sums, MOST_BYTES.sums)))?.toString('utf8') ?? ''
  const left = text
    .split('\n')
    .filter((line) => !files.has(sumsFileName(line)))
    .join('\n')
  if (left === text) return
  // Where there is no room for that, the next run's sweep does it.
  await replaceFile(sums, left).catch((error: unknown) => {
    if (!isVaultFull(error)) throw error
  })
}
