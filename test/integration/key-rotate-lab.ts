import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { writeArchive } from '../../src/archive/write-archive.ts'
import type { CommandContext } from '../../src/commands/context.ts'
import { createEncryptor } from '../../src/crypto/encryptor.ts'
import type { EncryptionConfig } from '../../src/model/config.ts'
import { Secret } from '../../src/model/secret.ts'
import { sourceFiles, type ManifestFile } from '../../src/model/snapshot.ts'
import type { HostLock, PendingSnapshot, Snapshot, Vault } from '../../src/vault/contract.ts'
import { openVault } from '../../src/vault/open-vault.ts'
import { fakeManifest, fakeSource, never } from '../unit/vault/fixtures.ts'
import { Gpg } from './crypto-gpg.ts'
import { mountTmpfs } from '../lab/tmpfs.ts'
import { commandContext } from '../lab/command-context.ts'

export const MONDAY = new Date('2025-11-17T02:00:00Z')

/** Two people with a key each, and a vault with a config beside it. */
export interface KeyLab extends AsyncDisposable {
  readonly directory: string
  /** Who could open everything before, and who shall. Files: `old.pub.asc`, `old.key.asc`, `new.…`. */
  readonly old: Gpg
  readonly new: Gpg
  readonly oldFingerprint: string
  readonly newFingerprint: string
  readonly vault: Vault
  readonly context: CommandContext
  writeConfig(encryption: string): Promise<void>
}

/** With a size the vault lies on a disk of its own, `disk` in the lab's directory; that needs root. */
export async function keyLab(disk?: string): Promise<KeyLab> {
  const stack = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'rotate-'))
  stack.defer(() => rm(directory, { recursive: true, force: true }))
  if (disk !== undefined) stack.use(await mountTmpfs(join(directory, 'disk'), disk))
  const vault = disk === undefined ? 'vault' : 'disk/vault'
  const person = async (name: string) => {
    const gpg = stack.use(await Gpg.create())
    const fingerprint = await gpg.makeKey(name)
    await writeFile(join(directory, `${name}.pub.asc`), await gpg.run(['--armor', '--export']))
    const key = await gpg.run(['--armor', '--export-secret-keys'])
    await writeFile(join(directory, `${name}.key.asc`), key, { mode: 0o600 })
    return { gpg, fingerprint }
  }
  const before = await person('old')
  const after = await person('new')
  const config = join(directory, 'hosts.yaml')
  const lab: KeyLab = {
    directory,
    old: before.gpg,
    new: after.gpg,
    oldFingerprint: before.fingerprint,
    newFingerprint: after.fingerprint,
    vault: await openVault(join(directory, vault)),
    context: commandContext(config, directory),
    writeConfig: (encryption) =>
      writeFile(
        config,
        `version: 1\nvault: ${vault}\nencryption: ${encryption}\nhosts:\n  prod: { ssh: u@127.0.0.1:1, deployment: ~/app }\n`,
      ),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
  await lab.writeConfig('{ recipients: [new.pub.asc], identity: old.key.asc }')
  return lab
}

/** What a file of a made snapshot says when it is opened. */
export const contentOf = (id: string, file: string) => `${id} ${file}\n`.repeat(20)

/** A snapshot of an archive, its index and its script, encrypted as the pull does it. */
export async function encryptedSnapshot(
  vault: Vault,
  lock: HostLock,
  at: Date,
  encryption: object,
): Promise<Snapshot> {
  const { encryptor } = await createEncryptor(
    { aead: false, allowUnauthenticatedStream: false, ...encryption } as unknown as EncryptionConfig,
    { resolveSecret: async () => new Secret('open sesame'), now: new Date(), signal: never },
  )
  await using pending: PendingSnapshot = await vault.begin(lock, () => at, never)
  const write = async (name: string): Promise<ManifestFile> => {
    const file = await pending.createFile(name)
    const stream = Readable.from([Buffer.from(contentOf(pending.id, name))])
    const result = await writeArchive(
      { stream, format: 'stream', wire: 'none', store: 'none' },
      { encryptor, sink: { stream: file.stream }, signal: never },
    )
    await file.finish()
    const { bytes, sha256, body } = result
    return { file: name, bytes, sha256, body, recipients: encryptor.recipients }
  }
  const archive = await write('logs.tar.gpg')
  const source = fakeSource('logs', [
    { ...archive, part: '', format: 'tar', content: 'all', plainBytes: 1, compression: 'none' },
  ])
  const index = await write('logs.index.jsonl.gpg')
  const replay = await write('logs.replay.sh.gpg')
  return await pending.commit(fakeManifest(pending, [{ ...source, index, replay }]))
}

/** Every file of every snapshot, retired ones too, with its path and what it holds. */
export async function filesOf(vault: Vault): Promise<{ readonly path: string; readonly content: string }[]> {
  const snapshots = await vault.snapshots('prod', { retired: true })
  return snapshots.flatMap((snapshot) =>
    snapshot.manifest.sources.flatMap(sourceFiles).map(({ file }) => ({
      path: vault.filePath(snapshot, file),
      content: contentOf(snapshot.id, file),
    })),
  )
}

/** Whether stock gpg opens the file for this person, with the right content. */
export async function opens(
  gpg: Gpg,
  { path, content }: { path: string; content: string },
): Promise<boolean> {
  const bytes = await readFile(path)
  const plain = await gpg.run(['--decrypt'], bytes).catch(() => undefined)
  if (plain !== undefined && plain.toString() !== content) throw new Error(`${path} holds something else`)
  return plain !== undefined
}

/** `sha256sum -c` in every snapshot's directory. */
export async function checkSums(vault: Vault): Promise<void> {
  for (const snapshot of await vault.snapshots('prod', { retired: true })) {
    const cwd = join(vault.path, 'prod', snapshot.id)
    await promisify(execFile)('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd })
  }
}
