import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { SNAPSHOT_ID_PATTERN } from '../model/names.ts'
import { VAULT_FORMAT } from '../model/snapshot.ts'
import type { LedgerRecord } from './contract.ts'
import { FILE_MODE, ifPresent, syncDirectory } from './durable.ts'
import { isVaultFull, onDisk } from './disk-error.ts'
import { insistOnFormat } from './format.ts'
import { hashOf } from './manifest.ts'
import { MOST_BYTES } from './paths.ts'
import { openRegular, readRegular } from './regular-file.ts'
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
  readonly problems: readonly { readonly line: number; readonly message: string }[]
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
  const lines = text.split('\n').slice(0, -1)
  const records: LedgerRecord[] = []
  const hashes: string[] = []
  const problems: { line: number; message: string }[] = []
  let previous: string | null = null
  lines.forEach((line, index) => {
    const number = index + 1
    const json = parseJson(line)
    if (json === undefined) {
      problems.push({ line: number, message: 'is not JSON' })
    } else {
      if (json.previous !== previous) {
        problems.push({
          line: number,
          message: 'does not carry the hash of the line before: a line was changed, removed or inserted',
        })
      }
      insistOnFormat(json, `Line ${number} of the ledger`)
      const result = record.safeParse(json)
      if (result.success) records.push(result.data as LedgerRecord)
      else problems.push({ line: number, message: 'is not a valid record' })
    }
    previous = hashOf(line)
    hashes.push(previous)
  })
  return { records, hashes, problems }
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

async function append(file: string, entry: LedgerEntry): Promise<void> {
  await using handle = await openRegular(file, 'append')
  await handle.chmod(FILE_MODE)
  const { end, line } = await lastLine(handle)
  await handle.truncate(end)
  const { at, event, ...rest } = entry
  const previous = line === undefined ? null : hashOf(line)
  const bytes = Buffer.from(
    `${JSON.stringify({ format: VAULT_FORMAT, at, event, ...rest, previous })}\n`,
    'utf8',
  )
  try {
    await handle.appendFile(bytes)
    await handle.sync()
    if (end === 0) await syncDirectory(dirname(file))
  } catch (error) {
    // A piece of a line that stays is marked as torn by the next line.
    await handle.truncate(end).catch(() => undefined)
    throw error
  }
}

/** The last whole line as bytes, newline excluded, and where it ends; read from the tail, ledgers grow for years. */
async function lastLine(handle: FileHandle): Promise<{ end: number; line: Buffer | undefined }> {
  const { size } = await handle.stat()
  for (let length = Math.min(size, 64 * 1024); ; length = Math.min(size, length * 2)) {
    const tail = Buffer.alloc(length)
    await handle.read(tail, 0, length, size - length)
    const newline = tail.lastIndexOf(0x0a)
    const before = newline <= 0 ? -1 : tail.lastIndexOf(0x0a, newline - 1)
    if (newline >= 0 && (before >= 0 || length === size)) {
      return { end: size - length + newline + 1, line: tail.subarray(before + 1, newline) }
    }
    if (length === size) return { end: 0, line: undefined }
  }
}

function parseJson(line: string): { previous?: unknown; event?: string } | undefined {
  try {
    const json: unknown = JSON.parse(line)
    return typeof json === 'object' && json !== null ? json : undefined
  } catch {
    return undefined
  }
}
