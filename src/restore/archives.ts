import type { ArchiveName } from '../archive/contract.ts'
import { DamageError, UsageError } from '../errors.ts'
import type { ManifestArchive, ManifestSource } from '../model/snapshot.ts'
import type { Snapshot } from '../vault/contract.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { asForgotten, bySnapshot, type VaultFile } from './remember-damage.ts'

/** An archive that a restore reads: of the snapshot itself, or of one that its incremental builds on. */
export interface NeededArchive {
  readonly snapshot: Snapshot
  readonly archive: ManifestArchive
}

/** How many plain bytes an archive has at most. Undefined: whoever walks over a tar counts itself. */
export function mostOf({ format, plainBytes }: ManifestArchive): number | undefined {
  return format === 'stream' ? plainBytes : undefined
}

/**
 * Finds the archives that an index names. Throws DamageError for one that is missing, and UsageError for one that
 * retention removed.
 *
 * @param all every snapshot of the host, retired ones too
 */
export function locateArchives(
  names: readonly ArchiveName[],
  snapshot: Snapshot,
  source: ManifestSource,
  all: readonly Snapshot[],
): NeededArchive[] {
  const byId = new Map(all.map((one) => [one.id, one]))
  return names.map(({ snapshot: id, archive: file }) => {
    const holder = id === snapshot.id ? snapshot : byId.get(id)
    const archive = holder?.manifest.sources
      .find(({ name }) => name === source.name)
      ?.archives.find((one) => one.file === file)
    if (holder === undefined || archive === undefined) {
      throw new DamageError(
        'archive-missing',
        `${snapshot.host}/${id}/${file} is missing, and ${source.name} of ${snapshot.host}/${snapshot.id} needs it`,
        { source: source.name, next: nextOf(snapshot) },
      )
    }
    refuseRemoved(holder, [archive])
    return { snapshot: holder, archive }
  })
}

/** Throws UsageError for a file that retention removed. */
export function refuseRemoved(snapshot: Snapshot, archives: readonly { readonly file: string }[]): void {
  const gone = archives.find((archive) => snapshot.removedFiles.has(archive.file))
  if (gone === undefined) return
  throw new UsageError(`${gone.file} of ${snapshot.host}/${snapshot.id} was removed by retention`, {
    next: 'Choose another snapshot: relay-backup list',
  })
}

/**
 * Files against their manifests: what is gone, of another size or, with `hashes`, not what was written. So a flipped
 * bit is found before anything is stopped, and damage elsewhere keeps nobody from these. Throws DamageError.
 */
export async function checkFiles(
  needed: readonly VaultFile[],
  { pull, hashes, signal }: Pick<RestoreDependencies, 'pull'> & { hashes: boolean; signal: AbortSignal },
): Promise<void> {
  for (const [snapshot, files] of bySnapshot(needed)) {
    const { host, id } = snapshot
    const problems = await pull.vault.check(host, { snapshots: [id], files, hashes, signal })
    // What has its old keys is as good as it ever was.
    const first = problems.find(({ snapshot: of, code }) => of === id && code !== 'not-rekeyed')
    if (first === undefined) continue
    const error = new DamageError(
      'archive-damaged',
      `${host}/${id}: ${first.file === undefined ? '' : `${first.file}: `}${first.message}`,
      { next: nextOf(snapshot) },
    )
    throw asForgotten(error, host, problems)
  }
}

function nextOf(snapshot: Snapshot): string {
  return `Nothing was changed. Restore another snapshot: relay-backup list ${snapshot.host}`
}
