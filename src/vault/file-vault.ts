import { lstat, readdir, readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { SNAPSHOT_ID_PATTERN, snapshotId } from '../model/names.ts'
import { auditOfRun, type AuditEntry } from '../model/audit-record.ts'
import type { EndedRun, RunBegin, RunRecord } from '../model/run-record.ts'
import { acceptAudit, appendAudit, appendRecipients, readAudit, type AuditMark } from './audit.ts'
import { endLostRuns, keepBegin } from './begun-runs.ts'
import { checkHost } from './check.ts'
import type {
  AuditReading,
  CheckOptions,
  HostLock,
  LedgerMarks,
  LedgerRecord,
  MarkedLedger,
  PendingSnapshot,
  Snapshot,
  Vault,
  VaultProblem,
} from './contract.ts'
import { confirms, findContradictions, type Contradictions } from './contradictions.ts'
import { isVaultFull, onDisk } from './disk-error.ts'
import { ifPresent, makeDirectory, syncDirectory } from './durable.ts'
import { fileLook } from './file-look.ts'
import { appendRun, readRuns } from './history.ts'
import { appendLedger, readLedger } from './ledger.ts'
import { ledgerState } from './ledger-state.ts'
import { HeldLock } from './lock.ts'
import { newSnapshotTime, usedIds } from './new-id.ts'
import {
  auditFile,
  FILE_NAME_PATTERN,
  hostDirectory,
  hostOfDirectory,
  isSnapshotName,
  ledgerFile,
  lockFile,
  partialDirectory,
  rekeyingDirectory,
  removedDirectory,
  runsFile,
  snapshotDirectory,
} from './paths.ts'
import { PartialSnapshot } from './pending-snapshot.ts'
import { readSnapshots } from './read-snapshots.ts'
import { finishRekeying, prepareRekeying } from './rekey.ts'
import { removeArchiveFiles, removeFiles, setAside } from './remove.ts'
import { insistOnDirectory, readStart } from './regular-file.ts'
import { keepReserve } from './reserve.ts'
import { adoptUnrecorded, sweepLeftovers } from './sweep.ts'

export interface VaultOptions {
  /** The clock; for the lock's owner note. */
  readonly now?: () => Date
  /** What the lock's owner note calls this run: `relay-backup pull`. */
  readonly command?: string
  /** Where this computer keeps how far it saw the ledgers come. */
  readonly marks?: LedgerMarks | undefined
}

/**
 * False for the directory of a host that never had a snapshot: such a directory holds only locks, and the history of
 * restores onto the host. A directory that still tells of snapshots that are gone is no such directory.
 */
async function hadSnapshots(hostDir: string): Promise<boolean> {
  return onDisk(hostDir, async () => {
    const names = await readdir(hostDir)
    const traces = [ledgerFile(hostDir), removedDirectory(hostDir)].map((path) => basename(path))
    if (names.some((name) => isSnapshotName(name) || traces.includes(name))) return true
    const runs = await ifPresent(readFile(runsFile(hostDir), 'utf8'))
    return runs?.includes('"snapshot":') ?? false
  })
}

/** A vault in a local directory, whose vault.json was read already. */
export class FileVault implements Vault {
  readonly path: string
  readonly id: string
  readonly #now: () => Date
  readonly #command: string
  readonly #marks: LedgerMarks | undefined
  /** Hosts whose ledger a person has accepted as it is now. */
  readonly #accepted = new Set<string>()

  constructor(path: string, id: string, options: VaultOptions = {}) {
    this.path = path
    this.id = id
    this.#now = options.now ?? (() => new Date())
    this.#command = options.command ?? 'relay-backup'
    this.#marks = options.marks
  }

  async hosts(): Promise<string[]> {
    const entries = await onDisk(this.path, () => readdir(this.path, { withFileTypes: true }))
    const hosts = entries.flatMap((entry) => (entry.isDirectory() ? (hostOfDirectory(entry.name) ?? []) : []))
    const known = await Promise.all(hosts.map((host) => hadSnapshots(this.#hostDir(host))))
    const marked = (await this.#marks?.hosts({ vault: this.id, path: this.path })) ?? []
    return [...new Set([...hosts.filter((_host, at) => known[at]), ...marked])].sort()
  }

  async snapshots(host: string, options: { readonly retired?: boolean } = {}): Promise<Snapshot[]> {
    const all = await readSnapshots(this.#hostDir(host), host)
    return options.retired === true ? all : all.filter(({ retired }) => !retired)
  }

  async lookAtLock(host: string): Promise<void> {
    await HeldLock.look(lockFile(this.#hostDir(host)), host)
  }

  async lock(host: string): Promise<HostLock> {
    const hostDir = await this.#makeHostDir(host)
    return onDisk(hostDir, async () => {
      const lock = await HeldLock.take(lockFile(hostDir), host, {
        since: this.#now(),
        command: this.#command,
      })
      try {
        await sweepLeftovers(hostDir, this.#now())
        await keepReserve(hostDir)
        lock.beforeRelease = () => this.#mark(host)
        return lock
      } catch (error) {
        await lock[Symbol.asyncDispose]()
        throw error
      }
    })
  }

  async begin(lock: HostLock, now: () => Date, signal: AbortSignal): Promise<PendingSnapshot> {
    signal.throwIfAborted()
    const held = insistOnLock(lock)
    const { host } = lock
    const hostDir = this.#hostDir(host)
    return onDisk(hostDir, async () => {
      const swept = await sweepLeftovers(hostDir, now())
      const state = await adoptUnrecorded(hostDir, host, swept, now())
      const createdAt = await newSnapshotTime(await usedIds(hostDir, state), now, signal)
      const id = snapshotId(createdAt)
      try {
        await makeDirectory(partialDirectory(hostDir, id))
      } catch (error) {
        await rm(partialDirectory(hostDir, id), { recursive: true, force: true })
        throw error
      }
      return new PartialSnapshot({ host, hostDir, id, createdAt, previous: state.newestManifest, lock: held })
    })
  }

  async ledger(host: string): Promise<LedgerRecord[]> {
    return [...(await readLedger(ledgerFile(this.#hostDir(host)))).records]
  }

  runs(host: string): Promise<RunRecord[]> {
    return readRuns(runsFile(this.#hostDir(host)))
  }

  async beginRun(begun: RunBegin): Promise<AsyncDisposable | undefined> {
    if (await this.#onlyLooked(begun)) return undefined
    const hostDir = await this.#makeHostDir(begun.host)
    return onDisk(hostDir, async () => {
      const lost = await endLostRuns(hostDir, this.#now())
      // The history has them, whatever keeps them out of the log.
      for (const entry of lost.flatMap((run) => auditOfRun(run) ?? []))
        await this.recordAudit(entry).catch(() => undefined)
      return await keepBegin(hostDir, begun)
    })
  }

  async recordRun(run: EndedRun): Promise<void> {
    if (await this.#onlyLooked(run)) return
    await appendRun(runsFile(await this.#makeHostDir(run.host)), run)
  }

  audit(): Promise<AuditReading> {
    return readAudit(auditFile(this.path), this.#auditMark())
  }

  recordAudit(entry: AuditEntry): Promise<void> {
    return appendAudit(auditFile(this.path), entry, this.#auditMark())
  }

  recordRecipients(entry: Parameters<Vault['recordRecipients']>[0]): Promise<void> {
    return appendRecipients(auditFile(this.path), entry, this.#auditMark())
  }

  #auditMark(): AuditMark | undefined {
    const marks = this.#marks
    const log = { vault: this.id, path: this.path, host: undefined }
    return marks && { recall: () => marks.recall(log), remember: (mark) => marks.remember(log, mark) }
  }

  /** A verification makes no directory of a host: whoever looks next would not see that it is gone. */
  async #onlyLooked({ operation, host }: RunBegin): Promise<boolean> {
    return operation === 'verify' && (await ifPresent(lstat(this.#hostDir(host)))) === undefined
  }

  async remove(lock: HostLock, snapshot: Snapshot, why: string, at: Date): Promise<void> {
    const hostDir = this.#lockedDir(lock, snapshot)
    const line = { event: 'removed', ...about(snapshot), why, at: at.toISOString() } as const
    try {
      await this.#append(hostDir, line)
    } catch (error) {
      if (!isVaultFull(error)) throw error
      await onDisk(hostDir, () => setAside(hostDir, snapshot.id))
      await this.#append(hostDir, line)
    }
    await onDisk(hostDir, () => removeFiles(hostDir, snapshot.id))
  }

  async retire(lock: HostLock, snapshot: Snapshot, why: string, at: Date): Promise<void> {
    const hostDir = this.#lockedDir(lock, snapshot)
    await this.#append(hostDir, { event: 'retired', ...about(snapshot), why, at: at.toISOString() })
  }

  async reinstate(lock: HostLock, snapshot: Snapshot, why: string, at: Date): Promise<void> {
    const hostDir = this.#lockedDir(lock, snapshot)
    await this.#append(hostDir, { event: 'reinstated', ...about(snapshot), why, at: at.toISOString() })
  }

  async removeArchives(
    lock: HostLock,
    snapshot: Snapshot,
    files: readonly string[],
    why: string,
    at: Date,
  ): Promise<void> {
    const hostDir = this.#lockedDir(lock, snapshot)
    const paths = files.map((file) => this.filePath(snapshot, file))
    if (paths.length === 0) return
    await this.#append(hostDir, {
      event: 'archives-removed',
      ...about(snapshot),
      files,
      why,
      at: at.toISOString(),
    })
    await onDisk(hostDir, () => removeArchiveFiles(snapshotDirectory(hostDir, snapshot.id), new Set(files)))
  }

  async rekey(
    lock: HostLock,
    snapshot: Snapshot,
    change: Parameters<Vault['rekey']>[2],
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const hostDir = this.#lockedDir(lock, snapshot)
    const beside = rekeyingDirectory(hostDir, snapshot.id)
    const { heads, recipients, why, at } = change
    return onDisk(hostDir, async () => {
      const prepared = await prepareRekeying(hostDir, snapshot, heads, signal)
        .then(async ({ files, damaged }) => {
          if (files.length > 0) {
            const line = { event: 'rekeyed', ...about(snapshot), recipients, files, why } as const
            await this.#append(hostDir, { ...line, at: at.toISOString() })
          }
          return { files, damaged }
        })
        .catch(async (error: unknown) => {
          // Nothing of it is decided. What can't be removed now is swept by the next run.
          await rm(beside, { recursive: true, force: true }).catch(() => undefined)
          throw error
        })
      const forms = new Map(prepared.files.map((file) => [file.file, [{ ...file, recipients }]]))
      await finishRekeying(hostDir, snapshot.id, {
        removed: false,
        removedFiles: snapshot.removedFiles,
        forms,
      })
      return prepared.damaged
    })
  }

  readStart(snapshot: Snapshot, file: string, bytes: number): Promise<Buffer | undefined> {
    const path = this.filePath(snapshot, file)
    return onDisk(path, () => ifPresent(readStart(path, bytes)))
  }

  async pauseRotation(lock: HostLock, snapshot: string, why: string, at: Date): Promise<void> {
    insistOnLock(lock)
    const hostDir = this.#hostDir(lock.host)
    await this.#append(hostDir, { event: 'rotation-paused', snapshot, why, at: at.toISOString() })
  }

  async acceptRotation(lock: HostLock, why: string, at: Date): Promise<void> {
    insistOnLock(lock)
    await this.#append(this.#hostDir(lock.host), { event: 'rotation-accepted', why, at: at.toISOString() })
  }

  async rotationPaused(host: string): Promise<string | undefined> {
    return ledgerState(await this.ledger(host)).paused
  }

  async contradictions(host: string): Promise<readonly VaultProblem[]> {
    return (await this.#contradictions(host)).problems
  }

  async acceptLoss(lock: HostLock, why: string, at: Date): Promise<void> {
    insistOnLock(lock)
    const { host } = lock
    const { problems, snapshots } = await this.#contradictions(host)
    if (problems.length === 0) return
    this.#accepted.add(host)
    await acceptAudit(auditFile(this.path), this.#auditMark())
    const hostDir = this.#hostDir(host)
    const common = { why, at: at.toISOString() }
    await this.#append(hostDir, { event: 'loss-accepted', snapshots, ...common })
    // A snapshot that the ledger still has, and whose manifest says that it was removed, is recorded as removed again.
    const { snapshots: known } = ledgerState((await readLedger(ledgerFile(hostDir))).records)
    const there = new Set(await readdir(hostDir))
    for (const id of snapshots) {
      const entry = known.get(id)
      if (entry === undefined || entry.removed || there.has(id)) continue
      await this.#append(hostDir, { event: 'removed', snapshot: id, manifest: entry.manifest, ...common })
    }
  }

  async acceptDamage(lock: HostLock, damaged: readonly string[], why: string, at: Date): Promise<void> {
    insistOnLock(lock)
    await this.#append(this.#hostDir(lock.host), {
      event: 'loss-accepted',
      snapshots: [],
      damaged,
      why,
      at: at.toISOString(),
    })
  }

  #contradictions(host: string): Promise<Contradictions> {
    const hostDir = this.#hostDir(host)
    const recall = async () =>
      this.#accepted.has(host) ? undefined : await this.#marks?.recall(this.#marked(host))
    return onDisk(hostDir, () => findContradictions(hostDir, host, recall))
  }

  /**
   * Keeps how far the ledger has come. A ledger that lacks lines that were seen in it is not believed before a person
   * has accepted it.
   */
  async #mark(host: string): Promise<void> {
    if (this.#marks === undefined) return
    const ledger = await readLedger(ledgerFile(this.#hostDir(host)))
    const seen = await this.#marks.recall(this.#marked(host))
    const hash = ledger.hashes.at(-1)
    const isBelieved = seen === undefined || confirms(ledger, seen) || this.#accepted.has(host)
    if (hash !== undefined && isBelieved) {
      await this.#marks.remember(this.#marked(host), { lines: ledger.hashes.length, hash })
    }
  }

  #marked(host: string): MarkedLedger {
    return { vault: this.id, path: this.path, host }
  }

  filePath(snapshot: Snapshot, file: string): string {
    if (!SNAPSHOT_ID_PATTERN.test(snapshot.id) || !FILE_NAME_PATTERN.test(file)) {
      throw new Error(`not a file of a snapshot: ${JSON.stringify(file)}`)
    }
    return join(snapshotDirectory(this.#hostDir(snapshot.host), snapshot.id), file)
  }

  look(snapshot: Snapshot, file: string): Promise<string | undefined> {
    const path = this.filePath(snapshot, file)
    return onDisk(path, () => fileLook(path))
  }

  check(host: string, options: CheckOptions): Promise<VaultProblem[]> {
    return checkHost(this.#hostDir(host), host, options, this.#now)
  }

  #hostDir(host: string): string {
    return hostDirectory(this.path, host)
  }

  async #makeHostDir(host: string): Promise<string> {
    const hostDir = this.#hostDir(host)
    await onDisk(hostDir, async () => {
      if (await makeDirectory(hostDir)) await syncDirectory(this.path)
      await insistOnDirectory(hostDir)
    })
    return hostDir
  }

  #append(hostDir: string, entry: Parameters<typeof appendLedger>[1]): Promise<void> {
    return appendLedger(ledgerFile(hostDir), entry)
  }

  /**
   * The directory of a snapshot's host, for the holder of the host's lock. Only recorded snapshots are ever changed.
   */
  #lockedDir(lock: HostLock, snapshot: Snapshot): string {
    insistOnLock(lock)
    if (lock.host !== snapshot.host) throw new Error(`the lock is for ${lock.host}, not ${snapshot.host}`)
    if (snapshot.unrecorded === true) throw new Error(`${snapshot.id} is not in the ledger`)
    return this.#hostDir(lock.host)
  }
}

function about(snapshot: Snapshot): { readonly snapshot: string; readonly manifest: string } {
  return { snapshot: snapshot.id, manifest: snapshot.manifestHash }
}

function insistOnLock(lock: HostLock): HeldLock {
  if (!(lock instanceof HeldLock) || !lock.held) throw new Error('the lock is not held')
  return lock
}
