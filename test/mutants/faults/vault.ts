import type { Fault } from '../fault.ts'

const DEATH = ['test/unit/vault/death.test.ts']
const VAULT = ['test/unit/vault/vault.test.ts']
const DAMAGE = ['test/unit/vault/damage.test.ts']

export const vault: readonly Fault[] = [
  {
    name: 'rekeys-damage',
    what: 'a change of keys carries a damaged body over',
    file: 'src/vault/rekey.ts',
    find: `    written.body.sha256 === body.sha256 &&`,
    replace: `    written.body.sha256 !== '' &&`,
    tests: ['test/integration/key-rotate.test.ts'],
  },
  {
    name: 'rekeying-left',
    what: 'what a change of keys has half made stays when it fails',
    file: 'src/vault/file-vault.ts',
    find: `          await rm(beside, { recursive: true, force: true }).catch(() => undefined)`,
    replace: `          await Promise.resolve(beside)`,
    tests: ['test/integration/key-rotate.test.ts'],
  },
  {
    name: 'rekeyed-unread',
    what: 'a file that the ledger has with new keys is taken for changed without a look at it',
    file: 'src/rekey/rekey-host.ts',
    find: `    return start !== undefined && (await rewrapper.isDone(start))`,
    replace: `    return start !== undefined`,
    tests: ['test/integration/key-rotate.test.ts'],
  },
  {
    name: 'marks-unread',
    what: 'a mark of a ledger that can not be read counts as none',
    file: 'src/state/ledger-marks.ts',
    find: `    if (code === 'ENOENT') return undefined`,
    replace: `    if (code !== '') return undefined`,
    tests: ['test/unit/vault/set-back.test.ts'],
  },
  {
    name: 'removal-before-ledger',
    what: 'the files of a snapshot go before the ledger says so',
    file: 'src/vault/file-vault.ts',
    find: `  async remove(lock: HostLock, snapshot: Snapshot, why: string, at: Date): Promise<void> {
    const hostDir = this.#lockedDir(lock, snapshot)
`,
    replace: `  async remove(lock: HostLock, snapshot: Snapshot, why: string, at: Date): Promise<void> {
    const hostDir = this.#lockedDir(lock, snapshot)
    await onDisk(hostDir, () => removeFiles(hostDir, snapshot.id))
`,
    tests: DEATH,
  },
  {
    name: 'archive-removal-before-ledger',
    what: 'single archives go before the ledger says so',
    file: 'src/vault/file-vault.ts',
    find: `    if (paths.length === 0) return
`,
    replace: `    if (paths.length === 0) return
    await onDisk(hostDir, () => removeArchiveFiles(snapshotDirectory(hostDir, snapshot.id), new Set(files)))
`,
    tests: DEATH,
  },
  {
    name: 'new-file-without-fsync',
    what: 'manifest and checksums are not brought to the disk',
    file: 'src/vault/durable.ts',
    find: `  await handle.writeFile(data)
  await handle.sync()`,
    replace: `  await handle.writeFile(data)`,
    tests: DEATH,
  },
  {
    name: 'directory-without-fsync',
    what: 'names in a directory are not brought to the disk',
    file: 'src/vault/durable.ts',
    find: `    await using handle = await open(path, 'r')
    await handle.sync()`,
    replace: `    await using _handle = await open(path, 'r')`,
    tests: DEATH,
  },
  {
    name: 'ledger-without-fsync',
    what: 'a ledger line is not brought to the disk',
    file: 'src/vault/chained-file.ts',
    find: `await handle.sync()
`,
    replace: `
`,
    tests: DEATH,
  },
  {
    name: 'new-ledger-without-directory-fsync',
    what: "the name of a host's first ledger is not brought to the disk",
    file: 'src/vault/chained-file.ts',
    find: `if (end === 0) await syncDirectory(dirname(file))`,
    replace: ``,
    tests: DEATH,
  },
  {
    name: 'archive-without-fsync',
    what: 'an archive is not brought to the disk before it is named in a manifest',
    file: 'src/vault/pending-file.ts',
    find: `      await this.#handle.sync()
`,
    replace: '',
    tests: DEATH,
  },
  {
    name: 'partial-directory-without-fsync',
    what: 'the names of a snapshot are not brought to the disk before it counts',
    file: 'src/vault/pending-snapshot.ts',
    find: `      await syncDirectory(this.#directory)
`,
    replace: '',
    tests: DEATH,
  },
  {
    name: 'rename-without-directory-fsync',
    what: "a snapshot's new name is not brought to the disk before the ledger has it",
    file: 'src/vault/pending-snapshot.ts',
    find: `        await syncDirectory(this.#hostDir)
`,
    replace: '',
    tests: DEATH,
  },
  {
    name: 'removed-manifest-without-fsync',
    what: "a removed snapshot's manifest may be lost with its files",
    file: 'src/vault/remove.ts',
    find: `  await syncDirectory(removedDirectory(hostDir))
`,
    replace: '',
    tests: DEATH,
  },
  {
    name: 'host-directory-without-fsync',
    what: "a host's new directory is not brought to the disk",
    file: 'src/vault/file-vault.ts',
    find: `if (await makeDirectory(hostDir)) await syncDirectory(this.path)`,
    replace: `await makeDirectory(hostDir)`,
    tests: DEATH,
  },
  {
    name: 'adopt-without-previous',
    what: 'a directory that follows another snapshot is adopted',
    file: 'src/vault/sweep.ts',
    find: `manifest.previous !== state.newestManifest) return false`,
    replace: `false) return false`,
    tests: DAMAGE,
  },
  {
    name: 'adopt-another-host',
    what: "a directory of another host's is adopted",
    file: 'src/vault/sweep.ts',
    find: `manifest.host !== host ||`,
    replace: '',
    tests: DAMAGE,
  },
  {
    name: 'adopt-another-id',
    what: 'a directory that was copied under another id is adopted',
    file: 'src/vault/sweep.ts',
    find: `manifest.id !== id ||`,
    replace: '',
    tests: DAMAGE,
  },
  {
    name: 'adopt-incomplete',
    what: 'a directory whose archives are cut is adopted',
    file: 'src/vault/sweep.ts',
    find: `  if (!(await isWhole(directory, manifest))) return false
`,
    replace: '',
    tests: VAULT,
  },
  {
    name: 'missing-record-unseen',
    what: "a removed snapshot's manifest may be gone",
    file: 'src/vault/check.ts',
    find: `  return [{ code: 'missing-record',`,
    replace: `  if (entry.manifest !== '') return []
  return [{ code: 'missing-record',`,
    tests: DAMAGE,
  },
  {
    name: 'chain-unseen',
    what: 'a manifest may follow another snapshot than the ledger says',
    file: 'src/vault/check.ts',
    find: `if (manifest.previous !== entry.previous)`,
    replace: `if (manifest.previous === undefined)`,
    tests: DAMAGE,
  },
  {
    name: 'manifest-damage-unseen',
    what: 'a manifest that is none is no damage',
    file: 'src/vault/check.ts',
    find: `problems.push({ code: 'manifest-damaged',`,
    replace: `if (error.message === '') problems.push({ code: 'manifest-damaged',`,
    tests: DAMAGE,
  },
  {
    name: 'manifest-edit-unseen',
    what: 'a manifest may be edited',
    file: 'src/vault/check.ts',
    find: `if (hashOf(bytes) !== entry.manifest)`,
    replace: `if (hashOf(bytes) === '')`,
    tests: VAULT,
  },
  {
    name: 'sums-unseen',
    what: 'SHA256SUMS may be wrong',
    file: 'src/vault/check-files.ts',
    find: `  if (wrong.length === 0) return []
`,
    replace: `  if (wrong.length >= 0) return []
`,
    tests: DAMAGE,
  },
  {
    name: 'hash-unseen',
    what: "a file's content may be another",
    file: 'src/vault/check-files.ts',
    find: `  if (hash.sha256 !== expected.sha256) {`,
    replace: `  if (hash.sha256.length !== expected.sha256.length) {`,
    tests: VAULT,
  },
  {
    name: 'size-unseen',
    what: 'a file that is cut is no damage to a check without hashes',
    file: 'src/vault/check-files.ts',
    find: `if (size !== expected.bytes && !isEarlier({})) {`,
    replace: `if (size > expected.bytes && !isEarlier({})) {`,
    tests: VAULT,
  },
  {
    name: 'missing-snapshot-unseen',
    what: 'a snapshot that is gone is no damage',
    file: 'src/vault/check.ts',
    find: `    return [
      { code: 'missing-snapshot', message`,
    replace: `    if (directory !== '') return []
    return [
      { code: 'missing-snapshot', message`,
    tests: VAULT,
  },
  {
    name: 'foreign-directory-unseen',
    what: 'a directory that the ledger does not know is not told of',
    file: 'src/vault/check.ts',
    find: `!known.has(name) && isWanted(name)`,
    replace: `known.has(name) && isWanted(name) && false`,
    tests: VAULT,
  },
  {
    name: 'short-write',
    what: 'what a nearly full disk did not take is lost',
    file: 'src/vault/pending-file.ts',
    find: `[first.subarray(bytesWritten), ...rest.slice(1)]`,
    replace: `rest.slice(1)`,
    tests: ['test/unit/vault/pending-file.test.ts'],
  },
  {
    name: 'short-write-rest',
    what: 'the buffers behind a short write are lost',
    file: 'src/vault/pending-file.ts',
    find: `  while (rest.length > 0) {`,
    replace: `  if (rest.length > 0) {`,
    tests: ['test/unit/vault/pending-file.test.ts'],
  },
  {
    name: 'written-size-unseen',
    what: 'a file that is shorter on the disk than it was written is committed',
    file: 'src/vault/pending-snapshot.ts',
    find: `  if (found !== expected) {`,
    replace: `  if (found === undefined) {`,
    tests: VAULT,
  },
  {
    name: 'commit-without-ledger',
    what: 'a snapshot stays that the ledger could not record',
    file: 'src/vault/pending-snapshot.ts',
    find: `        await rename(target, this.#directory).catch(() => undefined)
`,
    replace: '',
    tests: VAULT,
  },
  {
    name: 'scratch-committed',
    what: 'scratch files of a pull are committed',
    file: 'src/vault/pending-snapshot.ts',
    find: `      await this.#dropUnnamed(new Set(files.map(({ file }) => file)))
`,
    replace: '',
    tests: VAULT,
  },
  {
    name: 'ledger-chain-unseen',
    what: 'ledger lines may be changed or removed',
    file: 'src/vault/chained-file.ts',
    find: `if (json.previous !== previous)`,
    replace: `if (json.previous === undefined)`,
    tests: VAULT,
  },
  {
    name: 'torn-ledger-line-kept',
    what: 'the next ledger line is written behind one that a crash cut',
    file: 'src/vault/chained-file.ts',
    find: `await handle.truncate(end)
`,
    replace: `
`,
    tests: VAULT,
  },
  {
    name: 'removed-id-reused',
    what: 'the id of a removed snapshot is used again',
    file: 'src/vault/new-id.ts',
    find: `    ...state.snapshots.keys(),
    ...names.map((name) => name.replace(/^\\.(partial|removing)-/, '')),
    ...removed.map((name) => name.replace(/\\.json$/, '')),`,
    replace: `    ...(removed.length < 0 ? state.snapshots.keys() : names),`,
    tests: VAULT,
  },
  {
    name: 'lock-without-kernel',
    what: 'two runs write for one host at the same time',
    file: 'src/vault/lock.ts',
    find: `!tryLock(handle.fd); tries += 1`,
    replace: `!tryLock(handle.fd) && file === ''; tries += 1`,
    tests: VAULT,
  },
  {
    name: 'readable-by-others',
    what: 'files of the vault can be read by others',
    file: 'src/vault/durable.ts',
    find: `export const FILE_MODE = 0o600`,
    replace: `export const FILE_MODE = 0o644`,
    tests: VAULT,
  },
  {
    name: 'vault-among-files',
    what: 'a vault is made among other files',
    file: 'src/vault/open-vault.ts',
    find: `  if (others.length === 0) return
`,
    replace: `  if (others.length >= 0) return
`,
    tests: VAULT,
  },
]
