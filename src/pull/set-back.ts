import { VaultError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import type { Vault } from '../vault/contract.ts'

/** A warning that something contradicts a host's ledger, or that this can't be told; undefined when nothing does. */
export async function setBackFinding(
  vault: Pick<Vault, 'contradictions'>,
  host: string,
): Promise<Finding | undefined> {
  const found = await vault.contradictions(host).catch((error: unknown) => {
    if (error instanceof VaultError && error.code === 'marks-unreadable') return error
    throw error
  })
  if (found instanceof VaultError)
    return { check: 'set-back', outcome: 'warning', message: found.message, next: found.details.next }
  const [first, ...others] = found
  if (first === undefined) return undefined
  const more = others.length === 0 ? '' : `, and ${others.length} more`
  return {
    check: 'set-back',
    outcome: 'warning',
    message: `the vault was set back to an older copy, or something was taken away from it: ${first.message}${more}`,
    next: `See all of it with: relay-backup verify ${host}`,
  }
}
