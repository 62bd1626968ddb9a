import {
  access,
  constants,
  mkdtemp,
  open,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  statfs,
} from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import type { Finding } from '../model/finding.ts'
import type { VaultDisk } from '../model/status-report.ts'
import { printable } from '../model/path-bytes.ts'
import { onDisk } from './disk-error.ts'
import { errorCode, ifPresent } from './durable.ts'
import { loadTryLock } from './lock.ts'
import { vaultFile } from './paths.ts'

/** Files by which services that sync mark the top of what they sync. */
const MARKERS: Readonly<Record<string, string>> = {
  '.dropbox': 'Dropbox',
  '.dropbox.cache': 'Dropbox',
  '.stfolder': 'Syncthing',
  '.nextcloudsync.log': 'Nextcloud',
  '.owncloudsync.log': 'ownCloud',
  '.849C9593-D756-4E56-8D6E-42412F2A707B': 'OneDrive',
}

/** Names of directories that such services choose themselves. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^Dropbox( \(.*\))?$/i, 'Dropbox'],
  [/^OneDrive( - .*)?$/i, 'OneDrive'],
  [/^(Mobile Documents|iCloud ?Drive)$/i, 'iCloud'],
  [/^(Google ?Drive|GoogleDrive-.*|DriveFS)$/i, 'Google Drive'],
  [/^Nextcloud$/i, 'Nextcloud'],
  [/^pCloud ?Drive$/i, 'pCloud'],
]

/**
 * The service that syncs a directory; undefined where none is known to.
 *
 * @param path absolute, symlinks resolved
 * @param namesIn what lies directly in a directory
 */
export async function syncedBy(
  path: string,
  namesIn: (directory: string) => Promise<readonly string[]>,
): Promise<string | undefined> {
  for (const part of path.split(sep)) {
    const known = NAMES.find(([pattern]) => pattern.test(part))
    if (known !== undefined) return known[1]
  }
  for (let directory = path; ; directory = dirname(directory)) {
    const marker = (await namesIn(directory)).find((name) => Object.hasOwn(MARKERS, name))
    if (marker !== undefined) return MARKERS[marker]
    if (directory === dirname(directory)) return undefined
  }
}

/**
 * Whether a directory is a good place for a vault, which need not be there yet: nothing syncs it, and its file system
 * has locks and renames. Changes nothing in a vault that is there; what has to be tried is tried beside it.
 */
export async function placeFindings(vault: string): Promise<Finding[]> {
  const there = await nearest(vault)
  // A directory that can't be listed shows no sign of a service; what uses the vault says that it can't be read.
  const service = await syncedBy(there, (directory) => readdir(directory).catch(() => []))
  const found: Finding[] = []
  if (service !== undefined)
    found.push({
      check: 'vault-synced',
      outcome: 'warning',
      message: `${service} syncs ${printable(vault)}: it may take files away while they are written, or bring old ones back`,
      next: 'Set `vault` to a directory that nothing syncs, and copy it from there',
    })
  const problem = await fileSystemProblem(vault, there)
  if (problem !== undefined)
    found.push({
      check: 'vault-file-system',
      outcome: 'failed',
      message: `the file system of ${printable(vault)} ${problem}`,
      next: 'Set `vault` to a directory of a local disk',
    })
  return found
}

/**
 * Throws VaultError, as a run would, where so many new files can't be written to a vault, which need not be there yet: it
 * may not be written to, or not even the smallest of them has room. Changes nothing.
 */
export async function insistOnRoom(vault: string, files: number): Promise<void> {
  await onDisk(vault, async () => {
    const there = await nearest(vault)
    await access(there, constants.W_OK | constants.X_OK)
    const { bavail, blocks } = await statfs(there)
    // A file system that counts no blocks says nothing of its room.
    if (blocks > 0 && bavail < files)
      throw Object.assign(new Error(`ENOSPC: no space left on device, ${files} new files`), {
        code: 'ENOSPC',
      })
  })
}

/** How full the file system of the vault is; as df counts it, what only root may use is neither used nor free. */
export async function vaultDisk(vault: string): Promise<VaultDisk> {
  const { bavail, bfree, blocks, bsize } = await statfs(await nearest(vault))
  const used = blocks - bfree
  return {
    bytes: blocks * bsize,
    free: bavail * bsize,
    used: used + bavail === 0 ? 0 : used / (used + bavail),
  }
}

/** The vault itself, or the nearest directory above it that is there; symlinks resolved. */
async function nearest(path: string): Promise<string> {
  const found = await ifPresent(realpath(path))
  return found ?? (await nearest(dirname(path)))
}

async function fileSystemProblem(vault: string, there: string): Promise<string | undefined> {
  const isThere = there === (await ifPresent(realpath(vault)))
  if (isThere) {
    const problem = await lockProblem(vaultFile(there))
    if (problem !== undefined) return problem
  }
  const beside = isThere ? dirname(there) : there
  // On another file system than the vault's nothing is shown.
  if ((await stat(beside)).dev !== (await stat(there)).dev) return undefined
  let scratch: string
  try {
    scratch = await mkdtemp(join(beside, '.relay-backup-check-'))
  } catch (error) {
    if (isThere) return undefined
    return `does not let this user make it (${errorCode(error)})`
  }
  try {
    const file = join(scratch, 'one')
    await using handle = await open(file, 'wx', 0o600)
    await handle.sync()
    const problem = await lockProblem(file)
    if (problem !== undefined) return problem
    const renamed = join(scratch, 'two')
    await rename(file, renamed)
    const moved = (await stat(renamed)).isFile() && (await ifPresent(stat(file))) === undefined
    return moved ? undefined : 'does not rename files'
  } catch (error) {
    return `does not rename files (${errorCode(error)})`
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Tried with a lock that others may hold, too, and one that nobody may hold beside it. Writes nothing. */
async function lockProblem(file: string): Promise<string | undefined> {
  const tryLock = await loadTryLock()
  const first = await ifPresent(open(file, 'r+'))
  if (first === undefined) return undefined
  try {
    await using second = await open(file, 'r+')
    // Somebody else who tries at this very moment shows that there are locks.
    if (!tryLock(first.fd)) return undefined
    return tryLock(second.fd) ? 'grants a lock twice' : undefined
  } catch (error) {
    return `has no locks (${errorCode(error) ?? String(error)})`
  } finally {
    await first.close()
  }
}
