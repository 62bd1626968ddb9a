import type { Snapshot, Vault, VaultProblem } from '../vault/contract.ts'

/** A problem of one snapshot. */
export type Damaged = Pick<VaultProblem, 'file' | 'message'> & { readonly snapshot: string }

/**
 * What is wrong with these snapshots and with those that they build on: files that are not there or have another size,
 * and what anything found before and nobody proved mended. Contents are not hashed, because that takes too long.
 *
 * @param all every snapshot of the host that has a manifest
 */
export async function damageOf(
  vault: Vault,
  host: string,
  asked: readonly Snapshot[],
  all: readonly Snapshot[],
): Promise<Damaged[]> {
  const there = new Map(all.map((snapshot) => [snapshot.id, snapshot]))
  const parents = new Set(asked.flatMap(neededBy))
  const looked = new Set([...asked.map(({ id }) => id), ...parents])
  const found = await vault.check(host, {
    snapshots: [...looked],
    hashes: false,
    signal: new AbortController().signal,
  })
  const known = [...looked].flatMap((id) => there.get(id)?.damage ?? [])
  const gone = [...parents].filter((id) => !there.has(id))
  return [
    ...found.flatMap(({ snapshot, code, file, message }) =>
      snapshot === undefined || code === 'unknown-snapshot' ? [] : [{ snapshot, file, message }],
    ),
    ...known,
    ...gone.map((snapshot) => ({ snapshot, message: 'It is not in the vault, and others build on it' })),
  ]
}

/** What the archives that a snapshot still has build on. */
function neededBy({ manifest, removedFiles }: Snapshot): string[] {
  return manifest.sources
    .filter(({ archives }) => archives.some(({ file }) => !removedFiles.has(file)))
    .flatMap(({ parents }) => parents)
}
