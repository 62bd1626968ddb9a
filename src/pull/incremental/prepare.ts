import { encodeTarHeader } from '../../archive/tar-writer.ts'
import type { CreateRecordSorter, RecordSorter } from '../../archive/contract.ts'
import { DamageError } from '../../errors.ts'
import type { ListedEntry } from '../../model/listing.ts'
import { fromTreeOrder, inTreeOrder } from '../../model/tree-order.ts'
import type { Changes, FileTail } from '../../sources/contract.ts'
import type { StoredListing } from '../../state/contract.ts'
import { whyRatherFull } from './mode.ts'
import type { PullMode } from './mode.ts'
import { PlanBook, closeHardLinks, planChanges } from './plan.ts'
import type { Decision, PlanTotals } from './plan.ts'
import { TAIL_PREFIX } from './replay-script.ts'

/** A decision as it is set aside: its path is the key. */
type Stored = Decision extends infer D ? (D extends Decision ? Omit<D, 'path'> : never) : never

type Grown = Extract<Decision, { action: 'tail' }>

/** A listed entry as it is set aside: its path is the key. */
type Listed = Omit<ListedEntry, 'path'>

/** A plan that is ready to be carried out. Disposing it removes its scratch files. */
export interface PreparedPull extends AsyncDisposable {
  readonly mode: PullMode
  /** Sorted by path; may be asked for several times. */
  decisions(): AsyncGenerator<Decision>
  /** For a full these are all listed entries. */
  readonly changes: Changes
}

/** The parts that preparing takes, and what it is about. */
export interface PrepareOptions {
  /** Id of the snapshot that is being made. */
  readonly snapshot: string
  /** What the server lists now, in any order. */
  readonly listed: AsyncIterable<ListedEntry>
  /** The last listing; undefined for a full, whose reason then is `mode`'s. */
  readonly last: StoredListing | undefined
  readonly mode: PullMode
  readonly createSorter: CreateRecordSorter
  /** Where scratch files may go; names are appended. */
  readonly scratchPath: (name: string) => string
}

/**
 * Lists, compares and plans, in constant memory. An incremental becomes a full when the last listing turns out to be
 * damaged, or when too much has changed for an incremental to be worth it.
 */
export async function preparePull(options: PrepareOptions): Promise<PreparedPull> {
  const { createSorter, scratchPath } = options
  const listing = createSorter<Listed>(scratchPath('listing'))
  const spool = createSorter<Stored>(scratchPath('plan'))
  const order = createSorter<null>(scratchPath('order'))
  const dispose = async (): Promise<void> => {
    await order[Symbol.asyncDispose]()
    await spool[Symbol.asyncDispose]()
    await listing[Symbol.asyncDispose]()
  }
  try {
    for await (const { path, ...rest } of options.listed) listing.add(path, rest)
    const planned = await planIncremental(options, listing, spool)
    const whole = 'decisions' in planned ? planned : await planFull(listing, order, planned.mode)
    return { ...whole, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

type Planned = Omit<PreparedPull, typeof Symbol.asyncDispose>

/** The plan of an incremental, or why it takes a full. */
async function planIncremental(
  options: PrepareOptions,
  listing: RecordSorter<Listed>,
  spool: RecordSorter<Stored>,
): Promise<Planned | { readonly mode: Extract<PullMode, { mode: 'full' }> }> {
  const { last, mode } = options
  if (mode.mode === 'full') return { mode }
  const full = (reason: string) => ({ mode: { mode: 'full' as const, reason } })
  if (last === undefined) return full('there is no list of the last pull')
  const book = new PlanBook()
  const grown: Grown[] = []
  try {
    for await (const decision of planChanges(last.records(), listedOf(listing), book)) {
      if (decision.action === 'tail') grown.push(decision)
      const { path, ...rest } = decision
      spool.add(path, rest)
    }
  } catch (error) {
    if (!(error instanceof DamageError) || error.code !== 'listing-damaged') throw error
    return full('the list of the last pull is damaged')
  }
  const decisions = (): AsyncGenerator<Decision> =>
    book.hasTouched ? closeHardLinks(decisionsOf(spool), book) : decisionsOf(spool)
  const totals = book.hasTouched ? await countedAgain(decisions()) : book
  const reason = whyRatherFull(totals)
  if (reason !== undefined) return full(reason)
  // All of the listing is in the plan.
  await listing[Symbol.asyncDispose]()
  return { mode, decisions, changes: changesOf(decisions, totals, grown, options) }
}

/** Closing hard links changes the totals, so it has to be gone through before they are judged. */
async function countedAgain(decisions: AsyncIterable<Decision>): Promise<PlanTotals> {
  const totals = new PlanBook()
  for await (const decision of decisions) totals.count(decision)
  return totals
}

/** The listing itself is the plan of a full: everything is sent, in the order of a walk, as any tar unpacks it best. */
async function planFull(
  listing: RecordSorter<Listed>,
  order: RecordSorter<null>,
  mode: PullMode,
): Promise<Planned> {
  const decisions = (): AsyncGenerator<Decision> => planChanges(nothing(), listedOf(listing), new PlanBook())
  for await (const { key } of listing.sorted()) order.add(inTreeOrder(key), null)
  return { mode, decisions, changes: { tails: [], memberCount: order.count, members: () => walked(order) } }
}

async function* walked(order: RecordSorter<null>): AsyncGenerator<Buffer> {
  for await (const { key } of order.sorted()) yield fromTreeOrder(key)
}

async function* listedOf(sorter: RecordSorter<Listed>): AsyncGenerator<ListedEntry> {
  for await (const { key, value } of sorter.sorted()) yield { path: key, ...value }
}

async function* decisionsOf(sorter: RecordSorter<Stored>): AsyncGenerator<Decision> {
  for await (const { key, value } of sorter.sorted()) yield { path: key, ...value }
}

async function* nothing(): AsyncGenerator<never> {
  await Promise.resolve()
}

function changesOf(
  decisions: () => AsyncIterable<Decision>,
  { sent }: PlanTotals,
  grown: readonly Grown[],
  { snapshot }: PrepareOptions,
): Changes {
  // Unique in the chain: all its tails lie in one directory when it is unpacked by hand.
  const tails = grown.map((decision, at) => tailOf(decision, Buffer.from(`${TAIL_PREFIX}${snapshot}-${at}`)))
  return { tails, memberCount: sent, members: () => sentOf(decisions()) }
}

function tailOf({ path, entry, listed }: Grown, member: Buffer): FileTail {
  const length = listed.size - entry.size
  return {
    path,
    pieces: (entry.segments ?? []).map((segment) => ({ size: segment.length, sha256: segment.sha256 })),
    length,
    member,
    // Mode, owner and time are the file's: the replay script takes the time from here.
    header: encodeTarHeader({
      path: member,
      type: 'file',
      mode: entry.mode,
      uid: entry.uid,
      gid: entry.gid,
      uname: entry.owner,
      gname: entry.group,
      size: length,
      mtimeNs: BigInt(listed.mtimeNs),
    }),
  }
}

async function* sentOf(decisions: AsyncIterable<Decision>): AsyncGenerator<Buffer> {
  for await (const decision of decisions) if (decision.action === 'send') yield decision.path
}
