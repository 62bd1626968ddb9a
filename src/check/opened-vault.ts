import { RelayError } from '../errors.ts'
import { heldBytes } from '../sources/held-bytes.ts'
import { completePulls, type Vault } from '../vault/contract.ts'
import type { CheckDependencies } from './dependencies.ts'

/** The vault, or why it can't be opened: several checks ask for it. */
export type OpenedVault = Promise<Vault | RelayError | undefined>

/** Opens it once. Never rejects for what is expected. */
export function openVault(dependencies: CheckDependencies): OpenedVault {
  return dependencies.openVault().catch((error: unknown) => {
    if (error instanceof RelayError) return error
    throw error
  })
}

/** Bytes that the largest complete pull of a host holds. */
export async function largest(vault: Vault, host: string): Promise<number> {
  const held = completePulls(await vault.snapshots(host)).map(({ manifest }) =>
    manifest.sources.reduce((sum, source) => sum + heldBytes(source), 0),
  )
  return Math.max(0, ...held)
}
