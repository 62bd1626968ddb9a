import { readdir } from 'node:fs/promises'
import type { LedgerMark, VaultProblem } from './contract.ts'
import { errorCode } from './durable.ts'
import { readRuns } from './history.ts'
import { readLedger, type LedgerReading } from './ledger.ts'
import { ledgerState } from './ledger-state.ts'
import { isSnapshotName, LEDGER_FILE, ledgerFile, removedDirectory, RUNS_FILE, runsFile } from './paths.ts'

/** What {@link findContradictions} found, and the snapshots that it is about. */
export interface Contradictions {
  readonly problems: readonly VaultProblem[]
  readonly snapshots: readonly string[]
}

/**
 * What says that a host's ledger once said more: the history, the manifests of removed snapshots, and the mark that
 * this computer keeps outside of the vault. A ledger that was cut off, or set back with everything beside it, is
 * whole in itself. What a person has accepted is left out. The evidence is read first: whatever is made meanwhile is
 * in the ledger before it is in the history.
 */
export async function findContradictions(
  hostDir: string,
  host: string,
  recall: () => Promise<LedgerMark | undefined>,
): Promise<Contradictions> {
  const runs = await readRuns(runsFile(hostDir))
  const removed = await readdir(removedDirectory(hostDir)).catch((error: unknown) => {
    // Without it, or with something else in its place, there is nothing to learn from it; `check` names that.
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return []
    throw error
  })
  const mark = await recall()
  const ledger = await readLedger(ledgerFile(hostDir))
  const { snapshots, accepted } = ledgerState(ledger.records)
  const problem = (file: string, message: string): VaultProblem => ({ host, file, code: 'set-back', message })
  const told = new Set(runs.flatMap(({ snapshot }) => snapshot ?? []))
  const unknown = [...told].filter((id) => !snapshots.has(id) && !accepted.has(id))
  const unsaid = removed
    .map((name) => name.replace(/\.json$/, ''))
    .filter((id) => isSnapshotName(id) && snapshots.get(id)?.removed !== true && !accepted.has(id))
  return {
    problems: [
      ...(mark === undefined || confirms(ledger, mark)
        ? []
        : [
            problem(
              LEDGER_FILE,
              `The ledger lacks lines that this computer saw in it (it had ${mark.lines})`,
            ),
          ]),
      ...unknown.map((id) => problem(RUNS_FILE, `The history has ${id}, and the ledger does not know it`)),
      ...unsaid.map((id) =>
        problem(`removed/${id}.json`, `${id} was removed, and the ledger does not say so`),
      ),
    ],
    snapshots: [...new Set([...unknown, ...unsaid])].sort(),
  }
}

/** The ledger has the line that was its last then. */
export function confirms({ hashes }: Pick<LedgerReading, 'hashes'>, { lines, hash }: LedgerMark): boolean {
  return hashes[lines - 1] === hash
}
