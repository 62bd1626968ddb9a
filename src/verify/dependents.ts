import type { Snapshot, VaultProblem } from '../vault/contract.ts'

/**
 * What damage means for other snapshots: an incremental that needs a damaged, missing or removed archive of another
 * snapshot can't be restored whole either. There is one problem for each such archive or parent.
 *
 * @param judged the snapshots that are asked about
 * @param all every snapshot of the host that has a manifest, retired ones too
 * @param problems what was found in the judged ones and in their parents
 */
export function dependentProblems(
  judged: readonly Snapshot[],
  all: readonly Snapshot[],
  problems: readonly VaultProblem[],
): VaultProblem[] {
  const byId = new Map(all.map((snapshot) => [snapshot.id, snapshot]))
  // Nobody relies on a retired snapshot for itself, and what it needed may be gone.
  const relied = judged.filter(({ retired }) => !retired)
  return relied.flatMap(({ host, id, manifest }) =>
    manifest.sources.flatMap(({ name, parents }) =>
      parents.flatMap((parent): VaultProblem[] => {
        const reasons = brokenParent(parent, name, byId.get(parent), problems)
        return reasons.map(({ what, message }) => ({
          host,
          snapshot: id,
          code: 'parent-damaged',
          message: `${name} needs ${what}: ${message}`,
        }))
      }),
    ),
  )
}

interface Reason {
  readonly what: string
  readonly message: string
}

function brokenParent(
  id: string,
  source: string,
  snapshot: Snapshot | undefined,
  problems: readonly VaultProblem[],
): Reason[] {
  const found = problems.filter((problem) => problem.snapshot === id)
  const whole = found.find(({ code }) => WHOLE.has(code))
  if (whole !== undefined) return [{ what: id, message: whole.message }]
  const archives = snapshot?.manifest.sources.find(({ name }) => name === source)?.archives
  if (snapshot === undefined || archives === undefined)
    return [{ what: id, message: 'It is not in the vault' }]
  return archives.flatMap(({ file }): Reason[] => {
    const what = `${id}/${file}`
    if (snapshot.removedFiles.has(file)) return [{ what, message: 'It was removed' }]
    const damage = found.find((problem) => problem.file === file)
    return damage === undefined ? [] : [{ what, message: damage.message }]
  })
}

/** Problems after which nobody can rely on any part of a snapshot. */
const WHOLE: ReadonlySet<string> = new Set(['missing-snapshot', 'manifest-damaged', 'manifest-differs'])
