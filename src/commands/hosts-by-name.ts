import { VaultError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import type { Vault } from '../vault/contract.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { resolveHost } from '../vault/resolve-snapshot.ts'

/** Hosts of a vault, and why there may once have been more. */
export interface HostsByName {
  readonly hosts: readonly string[]
  readonly warning?: Finding | undefined
}

/**
 * These hosts of the vault, all when none is named. Where this computer's marks can't be read, it is those that the
 * vault itself has, with a warning: what is done with each host still asks its own mark. Throws UsageError for a
 * name that the vault does not have.
 */
export async function hostsByName(vault: Vault, names: readonly string[]): Promise<HostsByName> {
  const warning = await unreadableMarks(vault)
  const readable = warning === undefined ? vault : ((await openExistingVault(vault.path)) ?? vault)
  if (names.length === 0) return { hosts: await readable.hosts(), warning }
  const hosts: string[] = []
  for (const name of new Set(names)) hosts.push(await resolveHost(readable, name))
  return { hosts, warning }
}

async function unreadableMarks(vault: Vault): Promise<Finding | undefined> {
  try {
    await vault.hosts()
    return undefined
  } catch (error) {
    if (!(error instanceof VaultError) || error.code !== 'marks-unreadable') throw error
    return { check: error.code, outcome: 'warning', message: error.message, next: error.details.next }
  }
}
