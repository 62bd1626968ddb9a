import type { RunRecord } from '../model/run-record.ts'
import type { Vault } from '../vault/contract.ts'

/** The runs of these hosts and of all others of a vault. A host whose pulls all failed has runs, and no snapshot. */
export async function runsOfAll(
  vault: Vault | undefined,
  hosts: readonly { readonly name: string }[],
): Promise<RunRecord[]> {
  if (vault === undefined) return []
  const names = new Set([...hosts.map(({ name }) => name), ...(await vault.hosts())])
  return (await Promise.all([...names].map((host) => vault.runs(host)))).flat()
}
