import { readFile, rename, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { ifPresent, makeDirectory, replaceFile, syncDirectory } from './durable.ts'
import {
  MANIFEST_FILE,
  removedDirectory,
  removedManifest,
  removingDirectory,
  snapshotDirectory,
  SUMS_FILE,
} from './paths.ts'
import { sumsFileName } from './sums.ts'

/**
 * Takes a snapshot's files away after the ledger said so. Every step can be done again: the sweep calls this
 * for a removal that a crash cut short. The manifest moves, it is not copied: a full disk must not stop a
 * removal.
 */
export async function removeFiles(hostDir: string, id: string): Promise<void> {
  const removing = removingDirectory(hostDir, id)
  await ifPresent(rename(snapshotDirectory(hostDir, id), removing))
  await syncDirectory(hostDir)
  await finishRemoval(hostDir, id)
}

/** The second half, also for a `.removing-*` directory that was left over. */
export async function finishRemoval(hostDir: string, id: string): Promise<void> {
  const removing = removingDirectory(hostDir, id)
  if (await makeDirectory(removedDirectory(hostDir))) await syncDirectory(hostDir)
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
  const text = (await ifPresent(readFile(sums, 'utf8'))) ?? ''
  const left = text
    .split('\n')
    .filter((line) => !files.has(sumsFileName(line)))
    .join('\n')
  if (left !== text) await replaceFile(sums, left)
}
