import { DamageError } from '../errors.ts'
import type { Snapshot, Vault, VaultProblem } from '../vault/contract.ts'

/** A file of a snapshot in the vault. */
export interface VaultFile {
  readonly snapshot: Snapshot
  readonly file: string
}

/**
 * Has the vault look at files in which damage was met, so that it remembers what is damaged. Does nothing for anything
 * else that was met.
 *
 * @returns what was met, for the caller to throw; damage that could not be written down says so, too
 */
export async function rememberDamage(
  files: readonly VaultFile[],
  met: unknown,
  { vault }: { readonly vault: Pick<Vault, 'check'> },
  signal: AbortSignal,
): Promise<unknown> {
  if (!(met instanceof DamageError)) return met
  let told = met
  for (const [snapshot, here] of bySnapshot(files)) {
    try {
      const options = { snapshots: [snapshot.id], files: here, hashes: true, signal }
      told = asForgotten(told, snapshot.host, await vault.check(snapshot.host, options))
    } catch (error) {
      if (signal.aborted) return told
      told = forgotten(told, snapshot.host, (error as Error).message)
    }
  }
  return told
}

/** Files by the snapshot that they are of. */
export function bySnapshot(files: readonly VaultFile[]): ReadonlyMap<Snapshot, ReadonlySet<string>> {
  const grouped = new Map<string, { readonly snapshot: Snapshot; readonly files: Set<string> }>()
  for (const { snapshot, file } of files) {
    const known = grouped.get(snapshot.id)
    if (known === undefined) grouped.set(snapshot.id, { snapshot, files: new Set([file]) })
    else known.files.add(file)
  }
  return new Map([...grouped.values()].map((one) => [one.snapshot, one.files]))
}

/** The same error; when these problems of a check say that the vault will forget the damage, with that in its next step. */
export function asForgotten(
  error: DamageError,
  host: string,
  problems: readonly VaultProblem[],
): DamageError {
  const problem = problems.find(({ code }) => code === 'not-remembered')
  return problem === undefined ? error : forgotten(error, host, problem.message)
}

function forgotten(error: DamageError, host: string, why: string): DamageError {
  const { next = '', ...details } = error.details
  const add = `The vault will forget this damage (${why}): let this user write to it, then run: relay-backup verify ${host}`
  if (next.includes(add)) return error
  return new DamageError(error.code, error.message, {
    ...details,
    next: next === '' ? add : `${next.replace(/\.$/, '')}. ${add}`,
    cause: error,
  })
}
