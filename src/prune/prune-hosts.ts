import type { RelayError } from '../errors.ts'
import type { Reporter } from '../report/contract.ts'
import { withRun, type Run } from '../runs/run.ts'
import type { Vault } from '../vault/contract.ts'
import { acceptDamage } from './accept-damage.ts'
import { pausedFinding, rotateHost, type RotatedHost, type RotationOutcome } from './rotate.ts'

export interface PruneOptions {
  readonly dryRun: boolean
  /** A person has looked at what paused the rotation, or at what the ledger lacks, and goes on. */
  readonly accept: boolean
  /** Ids of damaged snapshots that a person goes on without. */
  readonly lost: readonly string[]
}

export interface PruneDependencies {
  readonly vault: Vault
  readonly reporter: Reporter
  readonly now: () => Date
}

export type PrunedHost =
  | { readonly host: string; readonly rotation: RotationOutcome; readonly notice?: string | undefined }
  | { readonly host: string; readonly error: RelayError }

/**
 * Applies retention to each of these hosts, whatever becomes of the others. Throws the signal's reason between two hosts.
 */
export async function pruneHosts(
  hosts: readonly RotatedHost[],
  options: PruneOptions,
  dependencies: PruneDependencies,
  signal: AbortSignal,
): Promise<PrunedHost[]> {
  const pruned: PrunedHost[] = []
  for (const host of hosts) {
    signal.throwIfAborted()
    pruned.push(await pruneHost(host, options, dependencies, signal))
  }
  return pruned
}

async function pruneHost(
  host: RotatedHost,
  options: PruneOptions,
  dependencies: PruneDependencies,
  signal: AbortSignal,
): Promise<PrunedHost> {
  const { name } = host
  const { dryRun } = options
  let notice: string | undefined
  // What was done is done; that the history does not have it is told beside it.
  const reporter: Reporter = {
    event(event) {
      if (event.type === 'warning' && event.code === 'history') notice = event.message
      else dependencies.reporter.event(event)
    },
  }
  const request = { operation: 'prune', host: { name }, locks: true, dryRun } as const
  try {
    const rotation = await withRun(request, { ...dependencies, reporter }, signal, async (run) => {
      const result = await rotate(host, options, dependencies, run)
      const { kept, removed, paused } = result
      return {
        result,
        end: {
          outcome: paused === undefined ? ('done' as const) : ('failed' as const),
          rotation: { kept, removed: removed.length },
          findings: pausedFinding(result),
        },
      }
    })
    return { host: name, rotation, notice }
  } catch (error) {
    return { host: name, error: error as RelayError }
  }
}

async function rotate(
  host: RotatedHost,
  { dryRun, accept, lost }: PruneOptions,
  { vault }: PruneDependencies,
  { lock, started }: Run,
): Promise<RotationOutcome> {
  // First what may refuse: a refusal leaves nothing written.
  if (lock !== undefined && lost.length > 0) await acceptDamage(vault, lock, lost, started)
  if (lock !== undefined && accept) {
    if ((await vault.rotationPaused(host.name)) !== undefined)
      await vault.acceptRotation(lock, 'prune --accept', started)
    await vault.acceptLoss(lock, 'prune --accept', started)
  }
  return await rotateHost(vault, lock, host, started, { dryRun, accept })
}
