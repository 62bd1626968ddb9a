import type { Finding } from '../model/finding.ts'
import type { Vault } from '../vault/contract.ts'

/** A warning that something contradicts a host's ledger; undefined when nothing does. */
export async function setBackFinding(
  vault: Pick<Vault, 'contradictions'>,
  host: string,
): Promise<Finding | undefined> {
  const [first, ...others] = await vault.contradictions(host)
  if (first === undefined) return undefined
  const more = others.length === 0 ? '' : `, and ${others.length} more`
  return {
    check: 'set-back',
    outcome: 'warning',
    message: `the vault was set back to an older copy, or something was taken away from it: ${first.message}${more}`,
    next: `See all of it with: relay-backup verify ${host}`,
  }
}
