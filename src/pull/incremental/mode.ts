import { createHash } from 'node:crypto'
import type { FilesSourceConfig } from '../../model/config.ts'
import type { ListingHeader } from '../../state/contract.ts'
import type { Snapshot, VaultProblem } from '../../vault/contract.ts'

/** How a source is pulled, and why. `reason` is a sentence for the person. */
export type PullMode = { readonly mode: 'incremental' } | { readonly mode: 'full'; readonly reason: string }

/** What decides between a full and an incremental, besides the server's list. */
export interface ModeQuestion {
  /** `--full`. */
  readonly full: boolean
  readonly fullEvery: number
  /** The header of the last listing; undefined when there is none. */
  readonly last: ListingHeader | undefined
  /** Of the source as it is configured now. */
  readonly definition: string
  /** Fingerprints that this pull encrypts to. */
  readonly recipients: readonly string[]
  /** What tells the passphrase apart that this pull encrypts with, if it does. */
  readonly passphrase: string | null
  /** The host's snapshots, retired ones too. */
  readonly snapshots: readonly Snapshot[]
  /** What the vault's check of presence and sizes found in the chain's snapshots. */
  readonly problems: readonly VaultProblem[]
}

/**
 * An incremental is only taken when everything that it would refer to is there as it was, was made of the same
 * source for the same recipients, and the chain is not too long.
 */
export function chooseMode(question: ModeQuestion): PullMode {
  const reason = whyFull(question)
  return reason === undefined ? { mode: 'incremental' } : { mode: 'full', reason }
}

function whyFull(question: ModeQuestion): string | undefined {
  const { last, snapshots } = question
  if (question.full) return 'a full pull was asked for'
  if (last === undefined) return 'there is no list of the last pull'
  if (last.incrementals >= question.fullEvery)
    return `${question.fullEvery} incrementals were taken since the last full`
  if (last.definition !== question.definition)
    return 'the source is configured otherwise than at the last pull'
  if (last.recipients.join() !== sortedRecipients(question.recipients).join()) {
    return 'the recipients are others than at the last pull'
  }
  if (last.passphrase !== question.passphrase) return 'the passphrase is another than at the last pull'
  const byId = new Map(snapshots.map((snapshot) => [snapshot.id, snapshot]))
  if (byId.get(last.snapshot)?.manifestHash !== last.manifestHash) {
    return `the list of the last pull is of a snapshot that is not in the vault`
  }
  for (const id of last.chain) {
    const snapshot = byId.get(id)
    const source = snapshot?.manifest.sources.find(({ name }) => name === last.source)
    if (snapshot === undefined || source === undefined)
      return `${id}, which it would need, is not in the vault`
    if (snapshot.unrecorded === true) return `the ledger does not know ${id}, which it would need`
    const removed = source.archives.find(({ file }) => snapshot.removedFiles.has(file))
    if (removed !== undefined) return `${id}/${removed.file}, which it would need, was removed`
    const other = source.archives.some(
      ({ recipients }) => sortedRecipients(recipients).join() !== last.recipients.join(),
    )
    if (other) return `${id}, which it would need, is encrypted to others`
    const problem = question.problems.find((one) => one.snapshot === id)
    if (problem !== undefined) return `${id}, which it would need, is damaged: ${problem.message}`
  }
  return undefined
}

export function sortedRecipients(recipients: readonly string[]): string[] {
  return [...recipients].sort()
}

/** A hash of what a source is: a change of it makes a full. Its name and retention are none. */
export function definitionOf(config: FilesSourceConfig, deployment: string | undefined): string {
  const { kind, paths, exclude } = config
  return createHash('sha256').update(JSON.stringify({ kind, paths, exclude, deployment })).digest('hex')
}

/** Above this share of the content an incremental saves too little to lengthen the chain for. */
const WORTH = 0.6
/** Below this many bytes it does not matter. */
const SMALL = 1024 * 1024

/** Why the plan of an incremental is better a full; undefined when it is not. */
export function whyRatherFull(plan: {
  readonly sentBytes: number
  readonly listedBytes: number
  readonly replacedDirectories: number
}): string | undefined {
  if (plan.replacedDirectories > 0)
    return 'a directory took the place of something else, or the other way round'
  if (plan.sentBytes > SMALL && plan.sentBytes > plan.listedBytes * WORTH) return 'most of it changed'
  return undefined
}
