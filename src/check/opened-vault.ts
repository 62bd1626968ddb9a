import { RelayError } from '../errors.ts'
import { completePulls, type Vault } from '../vault/contract.ts'
import type { CheckDependencies } from './dependencies.ts'
import { plainBytes } from './judge.ts'

/** The vault, or why it can't be opened: several checks ask for it. */
export type OpenedVault = Promise<Vault | RelayError | undefined>

/** Opens it once. Never rejects for what is expected. */
export function openVault(dependencies: CheckDependencies): OpenedVault {
  return dependencies.openVault().catch((error: unknown) => {
    if (error instanceof RelayError) return error
    throw error
  })
}

/** Bytes that the largest complete pull of a host holds: incremental ones are smaller than what they describe. */
export async function largest(vault: Vault, host: string): Promise<number> {
  return completePulls(await vault.snapshots(host)).reduce((most, one) => Math.max(most, plainBytes(one)), 0)
}
