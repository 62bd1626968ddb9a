import { formatCount } from '../model/units.ts'
import type { Rewrapper } from '../crypto/contract.ts'
import { DamageError, InterruptedError, KeyError, RelayError, VaultError } from '../errors.ts'
import { sourceFiles, type ManifestFile } from '../model/snapshot.ts'
import type { Reporter } from '../report/contract.ts'
import { withRun } from '../runs/run.ts'
import type { HostLock, NewHead, Snapshot, Vault } from '../vault/contract.ts'

/** A file that stays as it is, and why. */
export interface LeftFile {
  readonly snapshot: string
  readonly file?: string | undefined
  readonly code: string
  readonly message: string
  readonly next?: string | undefined
  /** It is not what was written. */
  readonly damaged: boolean
}

/** What a change of keys comes to for one host. */
export interface RekeyedHost {
  readonly host: string
  /** Files that got new session-key packets, or would get them. */
  readonly files: number
  readonly bytes: number
  /** Snapshots that these are of, retired ones included. */
  readonly snapshots: number
  /** Files that are encrypted to the recipients already. */
  readonly current: number
  readonly left: readonly LeftFile[]
  /** Why it ended early. */
  readonly error?: RelayError | undefined
}

export interface RekeyDependencies {
  readonly vault: Vault
  readonly rewrapper: Rewrapper
  readonly reporter: Reporter
  readonly now: () => Date
  readonly signal: AbortSignal
}

/**
 * Looks at what a change of keys would do: opens each session key, and changes nothing. Takes no lock, and ends where
 * another run holds it.
 */
export async function planRekeying(host: string, dependencies: RekeyDependencies): Promise<RekeyedHost> {
  const request = { operation: 'rekey', host: { name: host }, locks: true, dryRun: true } as const
  return await orError(host, () =>
    withRun(request, dependencies, dependencies.signal, async ({ signal, reporter }) => {
      const told = { ...dependencies, signal, reporter }
      const result = await eachSnapshot(host, told, async (snapshot, files) => {
        const { heads, left } = await newHeads(snapshot, files, told)
        return { done: new Set(heads.map(({ file }) => file)), left }
      })
      return { result, end: { outcome: outcomeOf(result), error: result.error } }
    }),
  )
}

/**
 * Hands every archive, index and script of a host to the recipients, snapshot by snapshot: new session-key packets
 * before the unchanged body. What is damaged, or does not open, stays as it is and is named. Done again, it goes on
 * where it ended. What ends it early is in the result.
 */
export async function rekeyHost(host: string, dependencies: RekeyDependencies): Promise<RekeyedHost> {
  const request = { operation: 'rekey', host: { name: host }, locks: true } as const
  return await orError(host, () =>
    withRun(request, dependencies, dependencies.signal, async ({ lock, signal, reporter }) => {
      if (lock === undefined) throw new Error('the lock is not held')
      const result = await rekeyLocked(lock, { ...dependencies, signal, reporter })
      return { result, end: { outcome: outcomeOf(result), error: result.error } }
    }),
  )
}

async function orError(host: string, work: () => Promise<RekeyedHost>): Promise<RekeyedHost> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof RelayError)) throw error
    return { host, files: 0, bytes: 0, snapshots: 0, current: 0, left: [], error }
  }
}

function outcomeOf({ files, left, error }: RekeyedHost) {
  if (error instanceof InterruptedError) return 'interrupted'
  if (error === undefined && left.length === 0) return 'done'
  return files > 0 ? 'partial' : 'failed'
}

async function rekeyLocked(lock: HostLock, dependencies: RekeyDependencies): Promise<RekeyedHost> {
  const { vault, rewrapper, now, signal } = dependencies
  const { recipients } = rewrapper
  return await eachSnapshot(lock.host, dependencies, async (snapshot, files) => {
    const { heads, left } = await newHeads(snapshot, files, dependencies)
    if (heads.length === 0) return { done: new Set(), left }
    const change = { heads, recipients, why: 'key rotate', at: now() }
    const damaged = await vault.rekey(lock, snapshot, change, signal)
    const done = new Set(heads.flatMap(({ file }) => (damaged.includes(file) ? [] : [file])))
    for (const file of damaged) left.push(await damageOf(snapshot, file, undefined, dependencies))
    return { done, left }
  })
}

type Work = (
  snapshot: Snapshot,
  files: readonly ManifestFile[],
) => Promise<{ readonly done: ReadonlySet<string>; readonly left: readonly LeftFile[] }>

/** Gives each snapshot's files that have other recipients to `work`, and sums up. */
async function eachSnapshot(host: string, dependencies: RekeyDependencies, work: Work): Promise<RekeyedHost> {
  const { vault, reporter, signal } = dependencies
  const sum = { files: 0, bytes: 0, snapshots: 0, current: 0 }
  const left: LeftFile[] = []
  reporter.event({ type: 'host-started', host })
  try {
    const snapshots = await vault.snapshots(host, { retired: true })
    for (const [at, snapshot] of snapshots.entries()) {
      signal.throwIfAborted()
      reporter.event({ type: 'host-step', host, step: `snapshot ${at + 1} of ${snapshots.length}` })
      if (snapshot.unrecorded === true) {
        left.push(unrecorded(snapshot))
        continue
      }
      const files = snapshot.manifest.sources
        .flatMap(sourceFiles)
        .filter(({ file }) => !snapshot.removedFiles.has(file))
      const todo: ManifestFile[] = []
      for (const file of files) if (!(await isDone(snapshot, file, dependencies))) todo.push(file)
      sum.current += files.length - todo.length
      if (todo.length === 0) continue
      const worked = await work(snapshot, todo)
      left.push(...worked.left)
      const done = todo.filter(({ file }) => worked.done.has(file))
      if (done.length > 0) sum.snapshots += 1
      sum.files += done.length
      sum.bytes += done.reduce((total, { bytes }) => total + bytes, 0)
    }
    reporter.event({ type: 'host-finished', host, message: formatCount(sum.files, 'file') })
    return { host, ...sum, left }
  } catch (reason) {
    const error = signal.aborted ? interruption(signal.reason) : reason
    if (!(error instanceof RelayError)) throw error
    reporter.event({ type: 'host-failed', host, error })
    return { host, ...sum, left, error }
  }
}

function interruption(reason: unknown): RelayError {
  return reason instanceof RelayError ? reason : new InterruptedError('Interrupted', { cause: reason })
}

/** By the ledger, and by the file itself. What can't be read is not done. */
async function isDone(
  snapshot: Snapshot,
  file: ManifestFile,
  { vault, rewrapper }: RekeyDependencies,
): Promise<boolean> {
  const { recipients } = rewrapper
  if ([...file.recipients].sort().join() !== [...recipients].sort().join()) return false
  try {
    const start = await vault.readStart(snapshot, file.file, file.body.offset + rewrapper.bodyStart)
    return start !== undefined && (await rewrapper.isDone(start))
  } catch (error) {
    if (error instanceof DamageError || error instanceof VaultError) return false
    throw error
  }
}

async function newHeads(
  snapshot: Snapshot,
  files: readonly ManifestFile[],
  dependencies: RekeyDependencies,
): Promise<{ readonly heads: readonly NewHead[]; readonly left: LeftFile[] }> {
  const { vault, rewrapper, signal } = dependencies
  const heads: NewHead[] = []
  const left: LeftFile[] = []
  for (const { file, body } of files) {
    signal.throwIfAborted()
    try {
      const start = await vault.readStart(snapshot, file, body.offset + rewrapper.bodyStart)
      if (start === undefined) left.push(await damageOf(snapshot, file, undefined, dependencies))
      else heads.push({ file, ...(await rewrapper.rewrap(start)) })
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof KeyError) left.push(refused(snapshot, file, error))
      else if (error instanceof DamageError || error instanceof VaultError)
        left.push(await damageOf(snapshot, file, error, dependencies))
      else throw error
    }
  }
  return { heads, left }
}

function refused({ id }: Snapshot, file: string, { code, message, details }: KeyError): LeftFile {
  return { snapshot: id, file, code, message, next: details.next, damaged: false }
}

function unrecorded({ id }: Snapshot): LeftFile {
  return {
    snapshot: id,
    code: 'unknown-snapshot',
    message: 'The ledger does not know this directory',
    next: 'Pull again: what a crash left is taken in then. If it stays unknown, it was copied here: move it out of the vault.',
    damaged: false,
  }
}

/** What the vault's check says of a file, which it remembers as damage, too. */
async function damageOf(
  snapshot: Snapshot,
  file: string,
  error: RelayError | undefined,
  { vault, signal }: RekeyDependencies,
): Promise<LeftFile> {
  const { host, id } = snapshot
  const options = { snapshots: [id], files: new Set([file]), hashes: true, signal }
  const problems = await vault.check(host, options)
  const found = problems.find((problem) => problem.snapshot === id && problem.file === file)
  const { code, message } = found ??
    error ?? { code: 'body-differs', message: 'Its body is not what was written' }
  return { snapshot: id, file, code, message, damaged: true }
}
