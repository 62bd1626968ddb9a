import { VaultError } from '../errors.ts'
import type { RunCause } from '../model/run-record.ts'
import { storedBytes } from '../model/snapshot.ts'
import { formatCount, formatSize } from '../model/units.ts'
import type { Reporter } from '../report/contract.ts'
import { withRun, type Ended, type Run } from '../runs/run.ts'
import type { Vault, VaultProblem } from '../vault/contract.ts'
import { dependentProblems } from './dependents.ts'
import { nextStep } from './next-step.ts'

export interface VerifyOptions {
  readonly reporter: Reporter
  readonly now: () => Date
  /** Undefined: a person. */
  readonly cause?: RunCause | undefined
  readonly signal: AbortSignal
}

/** What to verify of one host. */
export interface VerifyTarget {
  readonly host: string
  /** Ids; absent means all of the host's, also those that are gone. */
  readonly snapshots?: readonly string[] | undefined
}

export interface VerifiedHost {
  readonly host: string
  /** Snapshots whose files were read, retired ones included. */
  readonly snapshots: number
  readonly bytes: number
  readonly problems: readonly (VaultProblem & { readonly next: string })[]
}

export interface VerifyReport {
  readonly ok: boolean
  readonly hosts: readonly VerifiedHost[]
}

/** A step is reported each time this much more was read. */
const STEP_BYTES = 64 * 1024 * 1024

/**
 * Compares snapshots with their checksums and with the ledger, each host in a run of its own. No secret is needed; but
 * for the history nothing is changed, and other runs may go on meanwhile. Damage is a result, not an error.
 */
export async function verifyVault(
  vault: Vault,
  targets: readonly VerifyTarget[],
  { reporter, now, cause, signal }: VerifyOptions,
): Promise<VerifyReport> {
  const hosts: VerifiedHost[] = []
  for (const target of targets) {
    // It needs no lock: other runs may go on meanwhile.
    const request = { operation: 'verify', host: { name: target.host }, locks: false } as const
    hosts.push(
      await withRun(request, { vault, reporter, now, cause }, signal, async (run) => {
        const result = await verifyHost(vault, target, run).catch((error: unknown) =>
          unlessForeign(error, target),
        )
        return { result, end: endOf(result) }
      }),
    )
  }
  return { ok: hosts.every(({ problems }) => problems.length === 0), hosts }
}

/**
 * When something else lies in the place of a ledger or of a host's directory, that is damage too: it keeps the rest
 * from being read.
 */
function unlessForeign(error: unknown, { host }: VerifyTarget): VerifiedHost {
  if (!(error instanceof VaultError) || !FOREIGN.has(error.code)) throw error
  const { code, message } = error
  return { host, snapshots: 0, bytes: 0, problems: [{ host, code, message, next: nextStep({ code }) }] }
}

const FOREIGN: ReadonlySet<string> = new Set(['not-a-file', 'not-a-directory', 'too-large'])

/** As the history has it: what is damaged was verified, and failed it. */
function endOf({ problems }: VerifiedHost): Ended {
  return {
    outcome: problems.length === 0 ? 'done' : 'failed',
    findings: problems.map(({ code, message }) => ({ check: code, outcome: 'failed', message })),
  }
}

async function verifyHost(
  vault: Vault,
  { host, snapshots: ids }: VerifyTarget,
  { reporter, signal }: Pick<Run, 'reporter' | 'signal'>,
): Promise<VerifiedHost> {
  const all = await vault.snapshots(host, { retired: true })
  const asked = ids === undefined ? all : all.filter(({ id }) => ids.includes(id))
  // The snapshots that these build on are checked too: without them, these can't be restored.
  const parents = asked.flatMap(({ manifest }) => manifest.sources.flatMap((source) => source.parents))
  const wanted = ids === undefined ? undefined : [...new Set([...ids, ...parents])]
  const chosen = all.filter(({ id }) => wanted?.includes(id) ?? true)
  const total = chosen.reduce((sum, snapshot) => sum + storedBytes(snapshot), 0)
  let bytes = 0
  let told = 0
  reporter.event({ type: 'host-started', host })
  const own = await vault.check(host, {
    ...(wanted === undefined ? {} : { snapshots: wanted }),
    hashes: true,
    signal,
    onBytes: (read) => {
      bytes += read
      if (bytes - told < STEP_BYTES) return
      told = bytes
      const step = `verified ${formatSize(bytes)} of ${formatSize(total)}`
      reporter.event({ type: 'host-step', host, step })
    },
  })
  const problems = [...(await vault.contradictions(host)), ...own, ...dependentProblems(asked, all, own)]
  const message = problems.length === 0 ? 'verified' : formatCount(problems.length, 'problem')
  reporter.event({ type: 'host-finished', host, message })
  return {
    host,
    snapshots: chosen.length,
    bytes,
    problems: problems.map((problem) => ({ ...problem, next: nextStep(problem) })),
  }
}
