import { createHash } from 'node:crypto'
import type { SourceConfig } from '../../model/config.ts'
import { sourceFiles } from '../../model/snapshot.ts'
import type { ListingHeader } from '../../state/contract.ts'
import type { Damage, Snapshot, VaultProblem } from '../../vault/contract.ts'
import { kindOf } from '../../sources/registry.ts'

/** How a source is pulled, and why. `reason` is a sentence for the person. */
export type PullMode =
  | { readonly mode: 'incremental' }
  | {
      readonly mode: 'full'
      readonly reason: string
      /** Set when the chain is not as it was written (`damaged`), or can't be found in the vault (`lost`). */
      readonly because?: 'damaged' | 'lost'
    }

/** What decides between a full and an incremental, besides the server's list. */
export interface ModeQuestion {
  /** `--full`. */
  readonly full: boolean
  readonly fullEvery: number
  /** The header of the last listing; undefined when there is none. */
  readonly last: ListingHeader | undefined
  /** Id of the snapshot that is being made. */
  readonly snapshot: string
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
  const { last } = question
  const reason = whyOtherwise(question)
  if (reason !== undefined || last === undefined) {
    return { mode: 'full', reason: reason ?? 'there is no list of the last pull' }
  }
  return judgeChain(question, last)
}

/** The reasons for a full that do not depend on the vault. */
function whyOtherwise(question: ModeQuestion): string | undefined {
  const { last } = question
  if (question.full) return 'a full pull was asked for'
  if (last === undefined) return undefined
  if (last.incrementals >= question.fullEvery)
    return `${question.fullEvery} incrementals were taken since the last full`
  if (last.definition !== question.definition)
    return 'the config of the source has changed since the last pull'
  if (last.passphrase !== question.passphrase) return 'the passphrase has changed since the last pull'
  // Ids are the order in which a chain is unpacked, by hand too.
  if (last.chain.some((id) => id >= question.snapshot))
    return 'the clock went back: what it would need is dated after it'
  return undefined
}

function judgeChain(
  { snapshots, problems, recipients: wanted }: Pick<ModeQuestion, 'snapshots' | 'problems' | 'recipients'>,
  last: ListingHeader,
): PullMode {
  const full = (reason: string, because?: 'damaged' | 'lost'): PullMode => ({
    mode: 'full',
    reason,
    ...(because && { because }),
  })
  const found = problems.find(({ snapshot }) => snapshot !== undefined && last.chain.includes(snapshot))
  if (found !== undefined) {
    return full(`${found.snapshot}, which it would need, is damaged: ${found.message}`, 'damaged')
  }
  const byId = new Map(snapshots.map((snapshot) => [snapshot.id, snapshot]))
  if (byId.get(last.snapshot)?.manifestHash !== last.manifestHash) {
    return full('the list of the last pull is of a snapshot that is not in the vault', 'lost')
  }
  for (const id of last.chain) {
    const snapshot = byId.get(id)
    const source = snapshot?.manifest.sources.find(({ name }) => name === last.source)
    if (snapshot === undefined || source === undefined)
      return full(`${id}, which it would need, is not in the vault`, 'lost')
    if (snapshot.lossAccepted === true)
      return full(`${id}, which it would need, was given up as damaged`, 'damaged')
    if (snapshot.unrecorded === true) return full(`the ledger does not know ${id}, which it would need`)
    const removed = source.archives.find(({ file }) => snapshot.removedFiles.has(file))
    if (removed !== undefined) return full(`${id}/${removed.file}, which it would need, was removed`)
    const other = source.archives.some(
      ({ recipients }) => sortedRecipients(recipients).join() !== sortedRecipients(wanted).join(),
    )
    if (other) return full(`${id}, which it would need, is encrypted to other recipients`)
    const damage = knownDamage(snapshot, source.name)
    if (damage !== undefined)
      return full(`${id}, which it would need, is damaged: ${damage.message}`, 'damaged')
  }
  return { mode: 'incremental' }
}

/** Damage that somebody found in a source of a snapshot, or in the snapshot as a whole. */
function knownDamage({ manifest, damage = [] }: Snapshot, source: string): Damage | undefined {
  const others = manifest.sources.filter(({ name }) => name !== source).flatMap(sourceFiles)
  return damage.find(({ file }) => !others.some((other) => other.file === file))
}

function sortedRecipients(recipients: readonly string[]): string[] {
  return [...recipients].sort()
}

/** A hash of a source's definition: a change of it makes a full. The name and the retention are no part of it. */
export function definitionOf(config: SourceConfig, deployment: string | undefined): string {
  const kind = kindOf(config.kind)
  const [paths, exclude] = [kind.paths(config), kind.exclude?.(config) ?? []]
  return createHash('sha256')
    .update(JSON.stringify({ kind: config.kind, paths, exclude, deployment }))
    .digest('hex')
}

/** Above this share of the content an incremental saves too little to be worth a longer chain. */
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
