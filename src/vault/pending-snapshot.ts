import { readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DamageError } from '../errors.ts'
import type { Manifest } from '../model/snapshot.ts'
import type { PendingFile, PendingSnapshot, Snapshot } from './contract.ts'
import { onDisk } from './disk-error.ts'
import { ifPresent, syncDirectory, writeNewFile } from './durable.ts'
import { appendLedger } from './ledger.ts'
import type { HeldLock } from './lock.ts'
import { checkManifest, hashOf, manifestFiles, serializeManifest } from './manifest.ts'
import {
  FILE_NAME_PATTERN,
  ledgerFile,
  MANIFEST_FILE,
  partialDirectory,
  SCRATCH_PREFIX,
  snapshotDirectory,
  SUMS_FILE,
} from './paths.ts'
import { OpenPendingFile } from './pending-file.ts'
import { formatSums } from './sums.ts'
import { formatCount, formatNumber } from '../model/units.ts'

interface Begun {
  readonly host: string
  readonly hostDir: string
  readonly id: string
  readonly createdAt: Date
  readonly previous: string | null
  readonly lock: HeldLock
}

/** A snapshot in its provisional directory, which exists already. */
export class PartialSnapshot implements PendingSnapshot {
  readonly host: string
  readonly id: string
  readonly createdAt: Date
  readonly previous: string | null
  readonly #hostDir: string
  readonly #directory: string
  readonly #lock: HeldLock
  readonly #files = new Set<OpenPendingFile>()
  #committed = false

  constructor(begun: Begun) {
    this.host = begun.host
    this.id = begun.id
    this.createdAt = begun.createdAt
    this.previous = begun.previous
    this.#hostDir = begun.hostDir
    this.#directory = partialDirectory(begun.hostDir, begun.id)
    this.#lock = begun.lock
  }

  async createFile(name: string): Promise<PendingFile> {
    if (!FILE_NAME_PATTERN.test(name) || name === MANIFEST_FILE || name === SUMS_FILE) {
      throw new Error(`not a file name of a snapshot: ${JSON.stringify(name)}`)
    }
    const file = await OpenPendingFile.create(join(this.#directory, name))
    this.#files.add(file)
    return file
  }

  scratchPath(name: string): string {
    return join(this.#directory, SCRATCH_PREFIX + name)
  }

  async commit(manifest: Manifest): Promise<Snapshot> {
    this.#insistOnCommittable(manifest)
    const bytes = serializeManifest(manifest)
    const manifestHash = hashOf(bytes)
    const files = manifestFiles(manifest)
    const target = snapshotDirectory(this.#hostDir, this.id)
    await onDisk(this.#directory, async () => {
      for (const { file, bytes: size } of files) await insistOnSize(join(this.#directory, file), size)
      await this.#dropUnnamed(new Set(files.map(({ file }) => file)))
      await writeNewFile(join(this.#directory, SUMS_FILE), formatSums(files, manifestHash))
      await writeNewFile(join(this.#directory, MANIFEST_FILE), bytes)
      await syncDirectory(this.#directory)
      await rename(this.#directory, target)
      try {
        await syncDirectory(this.#hostDir)
        await appendLedger(ledgerFile(this.#hostDir), {
          at: manifest.finishedAt,
          event: 'made',
          snapshot: this.id,
          manifest: manifestHash,
          purpose: manifest.purpose,
          complete: manifest.complete,
        })
      } catch (error) {
        // A snapshot is made when the ledger has it. When the ledger can't be written, the caller sees a failure, so no
        // snapshot may be left.
        await rename(target, this.#directory).catch(() => undefined)
        throw error
      }
    })
    this.#committed = true
    return { host: this.host, id: this.id, manifest, manifestHash, removedFiles: new Set(), retired: false }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#committed) return
    for (const file of this.#files) await file.abandon().catch(() => undefined)
    // The next run sweeps what can't be removed here, so a failure to remove never hides the error that came first.
    await rm(this.#directory, { recursive: true, force: true }).catch(() => undefined)
  }

  /** These checks find defects of the caller, not of the disk. */
  #insistOnCommittable(manifest: Manifest): void {
    if (this.#committed) throw new Error('the snapshot is committed already')
    if (!this.#lock.held) throw new Error('the lock was given back before the commit')
    if ([...this.#files].some((file) => !file.closed)) throw new Error('a file of the snapshot is still open')
    checkManifest(manifest)
    for (const [field, expected] of [
      ['id', this.id],
      ['host', this.host],
      ['previous', this.previous],
    ] as const) {
      if (manifest[field] !== expected) throw new Error(`the manifest's ${field} is not the snapshot's`)
    }
    const names = manifestFiles(manifest).map(({ file }) => file)
    if (new Set(names).size !== names.length) throw new Error('the manifest names a file twice')
  }

  /** Scratch data, and files of sources that failed. */
  async #dropUnnamed(named: ReadonlySet<string>): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      if (!named.has(name)) await rm(join(this.#directory, name), { recursive: true, force: true })
    }
  }
}

async function insistOnSize(path: string, expected: number): Promise<void> {
  const found = (await ifPresent(stat(path)))?.size
  if (found !== expected) {
    throw new DamageError(
      'written-size-differs',
      `${path} has ${found === undefined ? 'no bytes' : formatCount(found, 'byte')} after it was written, not ${formatNumber(expected)}`,
      { next: 'Check the disk of the vault, then pull again.' },
    )
  }
}
