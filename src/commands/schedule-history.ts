import type { RunRecord } from '../model/run-record.ts'
import type { Vault } from '../vault/contract.ts'

/** The runs of all hosts of a vault. */
export async function runsOfAll(vault: Vault | undefined): Promise<RunRecord[]> {
  const hosts = (await vault?.hosts()) ?? []
  return (await Promise.all(hosts.map(async (host) => (await vault?.runs(host)) ?? []))).flat()
}
