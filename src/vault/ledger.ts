import { dirname } from 'node:path'
import { z } from 'zod'
import { SNAPSHOT_ID_PATTERN } from '../model/names.ts'
import { VAULT_FORMAT } from '../model/snapshot.ts'
import { appendChained, parseChain, type ChainProblem } from './chained-file.ts'
import type { LedgerRecord } from './contract.ts'
import { ifPresent } from './durable.ts'
import { isVaultFull, onDisk } from './disk-error.ts'
import { insistOnFormat } from './format.ts'
import { MOST_BYTES } from './paths.ts'
import { readRegular } from './regular-file.ts'
import { spendReserve } from './reserve.ts'

const common = { format: z.literal(VAULT_FORMAT), at: z.iso.datetime(), previous: z.string().nullable() }
const count = z.number().int().nonnegative()
const about = { ...common, snapshot: z.string().regex(SNAPSHOT_ID_PATTERN), manifest: z.string() }

const record = z.discriminatedUnion('event', [
  z.looseObject({
    ...about,
    event: z.literal('made'),
    purpose: z.enum(['pull', 'safety', 'cutover']),
    complete: z.boolean(),
  }),
  z.looseObject({ ...about, event: z.literal('retired'), why: z.string() }),
  z.looseObject({ ...about, event: z.literal('reinstated'), why: z.string() }),
  z.looseObject({ ...about, event: z.literal('removed'), why: z.string() }),
  z.looseObject({
    ...about,
    event: z.literal('archives-removed'),
    files: z.array(z.string()),
    why: z.string(),
  }),
  z.looseObject({
    ...about,
    event: z.literal('rekeyed'),
    recipients: z.array(z.string()),
    files: z.array(z.looseObject({ file: z.string(), bytes: count, sha256: z.string(), offset: count })),
    why: z.string(),
  }),
  z.looseObject({ ...common, event: z.literal('rotation-paused'), snapshot: z.string(), why: z.string() }),
  z.looseObject({ ...common, event: z.literal('rotation-accepted'), why: z.string() }),
  z.looseObject({
    ...common,
    event: z.literal('loss-accepted'),
    snapshots: z.array(z.string()),
    damaged: z.array(z.string()).optional(),
    why: z.string(),
  }),
])

/** What a ledger file says, and where its chain of hashes is broken. */
export interface LedgerReading {
  readonly records: readonly LedgerRecord[]
  /** Hex SHA-256 of each line. */
  readonly hashes: readonly string[]
  readonly problems: readonly ChainProblem[]
}

/** A new line without its format and the link to the one before, which {@link appendLedger} fills in. */
export type LedgerEntry = LedgerRecord extends infer R
  ? R extends LedgerRecord
    ? Omit<R, 'previous' | 'format'>
    : never
  : never

/**
 * Reads the lines of a ledger. A last line without a newline is a write that a crash cut off, so it is no
 * record. Throws VaultError for a line of another format: what it says can change what all others mean.
 */
export function parseLedger(text: string): LedgerReading {
  const chain = parseChain(text)
  const records: LedgerRecord[] = []
  const problems = [...chain.problems]
  for (const { number, json } of chain.lines) {
    if (json === undefined) continue
    insistOnFormat(json, `Line ${number} of the ledger`)
    const result = record.safeParse(json)
    if (result.success) records.push(result.data as LedgerRecord)
    else problems.push({ line: number, message: 'is not a valid record' })
  }
  problems.sort((one, other) => one.line - other.line)
  return { records, hashes: chain.lines.map(({ hash }) => hash), problems }
}

/** The ledger at this path; empty when there is none yet. Throws as {@link readRegular} and {@link parseLedger}. */
export async function readLedger(file: string): Promise<LedgerReading> {
  return onDisk(file, async () =>
    parseLedger((await ifPresent(readRegular(file, MOST_BYTES.lines)))?.toString('utf8') ?? ''),
  )
}

/**
 * Appends one line and brings it to the disk; all or nothing, also when the disk is full. Cuts off what a
 * crash left behind the last newline. A line that lets something be removed may take the room that is kept for it
 * (`reserve.ts`). The caller holds the host's lock.
 */
export async function appendLedger(file: string, entry: LedgerEntry): Promise<void> {
  await onDisk(file, async () => {
    try {
      await append(file, entry)
    } catch (error) {
      const isRemoval = entry.event !== 'made' && entry.event !== 'rekeyed'
      if (!isRemoval || !isVaultFull(error) || !(await spendReserve(dirname(file)))) throw error
      await append(file, entry)
    }
  })
}

async function append(file: string, { at, event, ...rest }: LedgerEntry): Promise<void> {
  await appendChained(file, { format: VAULT_FORMAT, at, event, ...rest })
}
