import type { FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { VaultError } from '../errors.ts'
import type { AuditEntry, AuditRecord } from '../model/audit-record.ts'
import { RUN_OUTCOMES } from '../model/run-record.ts'
import { appendChained, parseChain, type ChainReading } from './chained-file.ts'
import type { AuditReading, LedgerMark } from './contract.ts'
import { onDisk } from './disk-error.ts'
import { ifPresent } from './durable.ts'
import { loadTryLock } from './lock.ts'
import { MOST_BYTES } from './paths.ts'
import { openRegular, readRegular } from './regular-file.ts'

const FORMAT = 1

const names = z.array(z.string()).optional()
const record = z.looseObject({
  format: z.literal(FORMAT),
  at: z.iso.datetime(),
  by: z.looseObject({ user: z.string(), machine: z.string(), pid: z.number() }),
  action: z.string(),
  outcome: z.enum(RUN_OUTCOMES),
  host: z.string().optional(),
  fingerprints: names,
  before: names,
})

/** How far this computer saw the log come, kept outside of the vault. */
export interface AuditMark {
  recall(): Promise<LedgerMark | undefined>
  remember(mark: LedgerMark): Promise<void>
}

/** Reads the log; empty when there is none. Throws VaultError where something else lies there. */
export async function readAudit(file: string, mark: AuditMark | undefined): Promise<AuditReading> {
  const seen = await mark?.recall()
  const chain = await readChain(file)
  const problems = [...chain.problems]
  const records = chain.lines.flatMap(({ number, json }) => {
    if (json === undefined) return []
    const read = record.safeParse(json)
    if (read.success) return [{ ...read.data, line: number } as unknown as AuditRecord]
    problems.push({ line: number, message: 'is no entry that this version knows' })
    return []
  })
  if (seen !== undefined && !confirms(chain, seen)) {
    const line = Math.min(seen.lines, chain.lines.length + 1)
    const message = `is not what this computer saw: the log had ${seen.lines} lines, and was cut off or written anew`
    problems.push({ line, message })
  }
  return { records, problems: problems.sort((one, other) => one.line - other.line) }
}

/**
 * Appends an entry; all or nothing. Waits a little for another process that appends. Throws VaultError when the disk
 * refuses, or when the other one takes too long.
 */
export async function appendAudit(
  file: string,
  entry: AuditEntry,
  mark: AuditMark | undefined,
): Promise<void> {
  await onDisk(file, async () => {
    await using _lock = await lockLog(file)
    await append(file, entry, mark)
  })
}

/** {@link appendAudit} of an entry `recipients`, where the last such entry has others. */
export async function appendRecipients(
  file: string,
  entry: AuditEntry & { readonly fingerprints: readonly string[] },
  mark: AuditMark | undefined,
): Promise<void> {
  await onDisk(file, async () => {
    await using _lock = await lockLog(file)
    const before = lastRecipients(await readText(file))
    const same = before?.toSorted().join() === entry.fingerprints.toSorted().join()
    if (before === undefined || !same) await append(file, { ...entry, before }, mark)
  })
}

/** A person goes on with the log as it is. */
export async function acceptAudit(file: string, mark: AuditMark | undefined): Promise<void> {
  const { lines } = await readChain(file)
  const hash = lines.at(-1)?.hash
  if (hash !== undefined) await mark?.remember({ lines: lines.length, hash })
}

async function append(file: string, entry: AuditEntry, mark: AuditMark | undefined): Promise<void> {
  const { at, action, ...rest } = entry
  const { hash, previous } = await appendChained(file, { format: FORMAT, at, action, ...rest })
  if (mark === undefined) return
  // The entry is there. An older mark is right as well.
  await (async () => {
    const seen = await mark.recall()
    if (seen !== undefined && seen.hash === previous) {
      await mark.remember({ lines: seen.lines + 1, hash })
      return
    }
    const chain = await readChain(file)
    // A log that lacks lines that were seen in it stays suspect.
    if (seen === undefined || confirms(chain, seen)) await mark.remember({ lines: chain.lines.length, hash })
  })().catch(() => undefined)
}

function confirms({ lines }: ChainReading, seen: LedgerMark): boolean {
  return lines[seen.lines - 1]?.hash === seen.hash
}

async function readChain(file: string): Promise<ChainReading> {
  return parseChain(await readText(file))
}

async function readText(file: string): Promise<string> {
  return onDisk(file, async () =>
    ((await ifPresent(readRegular(file, MOST_BYTES.lines))) ?? '').toString('utf8'),
  )
}

/** The log grows for years, and one line of it is asked for before each pull. */
function lastRecipients(text: string): readonly string[] | undefined {
  const at = text.lastIndexOf('"action":"recipients"')
  if (at < 0) return undefined
  const end = text.indexOf('\n', at)
  try {
    return record.parse(JSON.parse(text.slice(text.lastIndexOf('\n', at) + 1, end))).fingerprints
  } catch {
    return undefined
  }
}

/** ms between two tries for the lock, and how many there are: an entry takes one fsync. */
const WAIT = { ms: 20, tries: 500 }

/** The kernel lock of the log itself, for one append. */
async function lockLog(file: string): Promise<FileHandle> {
  const tryLock = await loadTryLock()
  const handle = await openRegular(file, 'append')
  try {
    for (let tries = 1; !tryLock(handle.fd); tries += 1) {
      if (tries === WAIT.tries)
        throw new VaultError('audit-busy', `Another process has held ${file} for too long`, {
          next: 'See which one has it open: fuser -v on it',
        })
      await sleep(WAIT.ms)
    }
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}
