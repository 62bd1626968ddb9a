import { DamageError } from '../errors.ts'
import type { ManifestArchive } from '../model/snapshot.ts'
import { locateArchives } from '../restore/archives.ts'
import { openNeeded } from '../restore/read-files.ts'
import { rememberDamage } from '../restore/remember-damage.ts'
import { dumpName, type LookDependencies, type LookedAt } from './dependencies.ts'
import { shownAddress } from './resolve-path.ts'

/**
 * The bytes of a dump, from the archive that holds it. They are proven when it ended: throws DamageError before, also
 * when they are more or fewer than were captured. Not copies: use each before you ask for the next.
 */
export async function* readDump(
  at: LookedAt,
  archive: ManifestArchive,
  dependencies: LookDependencies,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const { snapshot, source } = at
  const { file } = archive
  try {
    const [needed] = locateArchives([{ snapshot: snapshot.id, archive: file }], snapshot, source, [snapshot])
    if (needed === undefined) throw new RangeError('an archive that was not looked for')
    let bytes = 0
    for await (const chunk of await openNeeded(needed, dependencies)) {
      signal.throwIfAborted()
      bytes += (chunk as Buffer).length
      yield chunk as Buffer
    }
    if (bytes !== archive.plainBytes) throw differs(at, dumpName(archive))
  } catch (error) {
    throw await rememberDamage([{ snapshot, file }], error, dependencies, signal)
  }
}

/** The error for content that the index does not have. */
export function differs({ snapshot, source }: LookedAt, member: string): DamageError {
  return new DamageError(
    'file-differs',
    `${shownAddress(source.name, member)} is not as it was captured: its hash differs`,
    {
      source: source.name,
      next: `Take it from another snapshot, and run: relay-backup verify ${snapshot.host}`,
    },
  )
}
