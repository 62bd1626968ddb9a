import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import {
  VAULT_FORMAT,
  type Manifest,
  type ManifestArchive,
  type ManifestSource,
  type Purpose,
} from '../../../src/model/snapshot.ts'
import type { HostLock, PendingSnapshot, Snapshot, Vault } from '../../../src/vault/contract.ts'
import { openVault } from '../../../src/vault/open-vault.ts'

export const never = new AbortController().signal

/** A directory of its own, removed at the end. */
export async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'relay-backup-vault-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

export async function temporaryVault(): Promise<
  AsyncDisposable & { readonly vault: Vault; readonly path: string }
> {
  const directory = await temporaryDirectory()
  const path = join(directory.path, 'vault')
  return { vault: await openVault(path), path, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() }
}

/** Writes a file into a pending snapshot, as a pull does. */
export async function writeArchive(
  pending: PendingSnapshot,
  file: string,
  content: Uint8Array = randomBytes(1000),
): Promise<ManifestArchive> {
  const open = await pending.createFile(file)
  open.stream.end(content)
  await finished(open.stream)
  const { bytes } = await open.finish()
  const sha256 = createHash('sha256').update(content).digest('hex')
  return {
    part: '',
    format: 'tar',
    content: 'all',
    file,
    bytes,
    plainBytes: bytes * 4,
    compression: 'zstd',
    recipients: ['AB12'],
    sha256,
    // Of no message: all of it is body.
    body: { offset: 0, bytes, sha256 },
  }
}

export function fakeSource(name: string, archives: readonly ManifestArchive[]): ManifestSource {
  return {
    name,
    kind: 'files',
    mode: 'full',
    parents: [],
    archives,
    entries: 3,
    facts: { kind: 'files', files: 2, directories: 1, links: 0, others: 0, bytes: 4000 },
    warnings: [],
  }
}

export function fakeManifest(
  pending: Pick<PendingSnapshot, 'id' | 'host' | 'createdAt' | 'previous'>,
  sources: readonly ManifestSource[],
  changes: Partial<Manifest> = {},
): Manifest {
  return {
    format: VAULT_FORMAT,
    id: pending.id,
    host: pending.host,
    purpose: 'pull',
    selection: sources.map(({ name }) => name),
    complete: true,
    createdAt: pending.createdAt.toISOString(),
    finishedAt: new Date(pending.createdAt.getTime() + 5000).toISOString(),
    tool: { name: 'relay-backup', version: '0.0.0' },
    previous: pending.previous,
    server: { os: 'Debian GNU/Linux 12', arch: 'x86_64', versions: { tar: '1.34' } },
    sources,
    ...changes,
  }
}

export interface FakeSnapshot {
  readonly sources?: readonly string[]
  readonly complete?: boolean
  readonly purpose?: Purpose
  readonly content?: Uint8Array
}

/** Begins and commits a snapshot of the given time with one archive a source. */
export async function makeSnapshot(
  vault: Vault,
  lock: HostLock,
  at: Date,
  { sources = ['logs'], complete = true, purpose = 'pull', content }: FakeSnapshot = {},
): Promise<Snapshot> {
  await using pending = await vault.begin(lock, () => at, never)
  const written: ManifestSource[] = []
  for (const name of sources) {
    written.push(fakeSource(name, [await writeArchive(pending, `${name}.tar.zst.gpg`, content)]))
  }
  return await pending.commit(fakeManifest(pending, written, { complete, purpose }))
}

/** Locks, makes snapshots a day apart beginning at this time, and unlocks. */
export async function makeDays(vault: Vault, host: string, first: Date, days: number): Promise<Snapshot[]> {
  await using lock = await vault.lock(host)
  const made: Snapshot[] = []
  for (let day = 0; day < days; day += 1) {
    made.push(await makeSnapshot(vault, lock, new Date(first.getTime() + day * 86_400_000)))
  }
  return made
}
