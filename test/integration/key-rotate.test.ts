import { execFile } from 'node:child_process'
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { keyRotate } from '../../src/commands/key-rotate.ts'
import { verify } from '../../src/commands/verify.ts'
import type { RekeyedHost } from '../../src/rekey/rekey-host.ts'
import { openVault } from '../../src/vault/open-vault.ts'
import { never } from '../unit/vault/fixtures.ts'
import { rounds, share, soaking, tally } from '../lab/soak.ts'
import {
  checkSums,
  encryptedSnapshot,
  filesOf,
  keyLab,
  MONDAY,
  opens,
  type KeyLab,
} from './key-rotate-lab.ts'

const CHILD = fileURLToPath(new URL('key-rotate-child.ts', import.meta.url))
const later = (hours: number) => new Date(MONDAY.getTime() + hours * 3_600_000)
const toOld = (lab: KeyLab) => ({ mode: 'recipients', recipients: [join(lab.directory, 'old.pub.asc')] })
const hostOf = (outcome: { readonly json: unknown }) => (outcome.json as { hosts: RekeyedHost[] }).hosts[0]

async function make(lab: KeyLab, snapshots: number, encryption: object): Promise<void> {
  await using lock = await lab.vault.lock('prod')
  for (let at = 0; at < snapshots; at += 1) await encryptedSnapshot(lab.vault, lock, later(at), encryption)
}

/** Everything is verified, opens for the new person with gpg alone, and not for the old one. */
async function expectRotated(lab: KeyLab): Promise<void> {
  expect((await verify(lab.context, [], { all: true })).text).toContain('all as recorded')
  await checkSums(lab.vault)
  for (const file of await filesOf(lab.vault)) {
    expect(await opens(lab.new, file), file.path).toBe(true)
    expect(await opens(lab.old, file), file.path).toBe(false)
  }
  expect(await readdir(join(lab.vault.path, 'prod'))).not.toContainEqual(
    expect.stringMatching(/^\.rekeying-/),
  )
}

test(
  'archives, indexes and scripts, those of retired snapshots too, open with the new key alone; bodies and manifests stay',
  { timeout: soaking ? 1_800_000 : 60_000 },
  async () => {
    await using lab = await keyLab()
    const snapshots = rounds(3, 334)
    await make(lab, snapshots, toOld(lab))
    {
      await using lock = await lab.vault.lock('prod')
      const [first] = await lab.vault.snapshots('prod')
      if (first !== undefined) await lab.vault.retire(lock, first, 'test', later(99))
    }
    const before = await lab.vault.snapshots('prod', { retired: true })
    const manifests = await Promise.all(
      before.map((one) => readFile(lab.vault.filePath(one, 'manifest.json'))),
    )
    const bodies = await Promise.all((await filesOf(lab.vault)).map(({ path }) => readFile(path)))

    const dry = await keyRotate(lab.context, [], { dryRun: true })
    expect(hostOf(dry)).toMatchObject({ files: 3 * snapshots, snapshots })
    for (const [at, { path }] of (await filesOf(lab.vault)).entries())
      expect(await readFile(path)).toEqual(bodies[at])

    const started = performance.now()
    const outcome = await keyRotate(lab.context, [], { yes: true })
    tally('ms to give an archive other keys', Math.round((performance.now() - started) / (3 * snapshots)))
    tally('archives, indexes and scripts that got other keys', 3 * snapshots)
    expect(outcome.exitCode).toBe(0)
    expect(hostOf(outcome)).toMatchObject({ files: 3 * snapshots, snapshots, current: 0, left: [] })
    await expectRotated(lab)
    expect(
      await Promise.all(before.map((one) => readFile(lab.vault.filePath(one, 'manifest.json')))),
    ).toEqual(manifests)
    const after = await Promise.all((await filesOf(lab.vault)).map(({ path }) => readFile(path)))
    for (const [at, bytes] of after.entries()) {
      const { body } = before[0]?.manifest.sources[0]?.archives[0] ?? {}
      expect(bytes.subarray(-(body?.bytes ?? 0)), String(at)).toEqual(
        bodies[at]?.subarray(-(body?.bytes ?? 0)),
      )
    }
    const ledger = await lab.vault.ledger('prod')
    expect(ledger.filter(({ event }) => event === 'rekeyed')).toHaveLength(snapshots)
    const runs = (await lab.vault.runs('prod')).filter(({ operation }) => operation === 'rekey')
    expect(runs).toMatchObject([{ outcome: 'done' }])

    // Done again, there is nothing to do, also without the old identity.
    await lab.writeConfig('{ recipients: [new.pub.asc], identity: new.key.asc }')
    expect(hostOf(await keyRotate(lab.context, ['prod'], { yes: true }))).toMatchObject({
      files: 0,
      current: 3 * snapshots,
    })
  },
)

test('--add keeps who opens it now, --remove takes one away; a second rotation follows the first', async () => {
  await using lab = await keyLab()
  await make(lab, 1, toOld(lab))
  await lab.writeConfig('{ recipients: [old.pub.asc], identity: old.key.asc }')
  expect((await keyRotate(lab.context, [], { yes: true, add: ['new.pub.asc'] })).exitCode).toBe(0)
  for (const file of await filesOf(lab.vault)) {
    expect(await opens(lab.new, file)).toBe(true)
    expect(await opens(lab.old, file)).toBe(true)
  }
  const remove = [lab.oldFingerprint.toLowerCase().replaceAll(/(....)/g, '$1 ')]
  expect((await keyRotate(lab.context, [], { yes: true, add: ['new.pub.asc'], remove })).exitCode).toBe(0)
  await expectRotated(lab)
  await expect(keyRotate(lab.context, [], { yes: true, remove })).rejects.toMatchObject({
    message: 'Nobody could open the archives any more: no recipient is left',
  })
})

test('AEAD messages, and an identity that only gpg has, are changed in the same way', async () => {
  await using lab = await keyLab()
  await make(lab, 1, { ...toOld(lab), aead: true })
  expect((await keyRotate(lab.context, [], { yes: true })).exitCode).toBe(0)
  await lab.writeConfig('{ recipients: [old.pub.asc], identity: new.key.asc }')
  expect((await keyRotate(lab.context, [], { yes: true })).exitCode).toBe(0)
  expect((await verify(lab.context, [], { all: true })).exitCode).toBe(0)
})

test('an identity in the hands of gpg opens the session keys', async () => {
  await using lab = await keyLab()
  await make(lab, 1, toOld(lab))
  const home = process.env['GNUPGHOME']
  process.env['GNUPGHOME'] = lab.old.home
  try {
    await lab.writeConfig(`{ recipients: [new.pub.asc], identity: { gpg: ${lab.oldFingerprint} } }`)
    expect((await keyRotate(lab.context, [], { yes: true })).exitCode).toBe(0)
  } finally {
    if (home === undefined) delete process.env['GNUPGHOME']
    else process.env['GNUPGHOME'] = home
  }
  await expectRotated(lab)
})

test('what is damaged, and what a passphrase opens, stays as it is and is named; exit 3, then 4', async () => {
  await using lab = await keyLab()
  await make(lab, 2, toOld(lab))
  const [first] = await lab.vault.snapshots('prod')
  if (first === undefined) throw new Error('no snapshot')
  const path = lab.vault.filePath(first, 'logs.tar.gpg')
  const bytes = await readFile(path)
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  await writeFile(path, bytes)
  await rm(lab.vault.filePath(first, 'logs.replay.sh.gpg'))
  const outcome = await keyRotate(lab.context, [], { yes: true })
  expect(outcome.exitCode).toBe(3)
  expect(outcome.text).toContain(
    `prod/${first.id}/logs.tar.gpg: left as it is: The content is not what was written`,
  )
  expect(hostOf(outcome)?.left.map(({ file, code }) => [file, code])).toEqual([
    ['logs.replay.sh.gpg', 'missing-file'],
    ['logs.tar.gpg', 'hash-differs'],
  ])
  expect(await readFile(path)).toEqual(bytes)
  const [damaged] = await lab.vault.snapshots('prod')
  expect(damaged?.damage?.map(({ code }) => code).sort()).toEqual(['hash-differs', 'missing-file'])
  expect((await keyRotate(lab.context, [], { yes: true })).exitCode).toBe(4)
  {
    await using lock = await lab.vault.lock('prod')
    await encryptedSnapshot(lab.vault, lock, later(50), { mode: 'passphrase' })
  }
  const again = await keyRotate(lab.context, [], { yes: true })
  expect(again.exitCode).toBe(1)
  expect(again.text).toContain('It is encrypted with a passphrase, which has no recipients to change')
})

test('an old file that is put back is no damage, is named by verify, and changed again', async () => {
  await using lab = await keyLab()
  await make(lab, 1, toOld(lab))
  const [snapshot] = await lab.vault.snapshots('prod')
  if (snapshot === undefined) throw new Error('no snapshot')
  const path = lab.vault.filePath(snapshot, 'logs.tar.gpg')
  const old = await readFile(path)
  await keyRotate(lab.context, [], { yes: true })
  await writeFile(path, old)
  const found = await verify(lab.context, [], { all: true })
  expect(found.exitCode).toBe(4)
  expect(found.text).toContain('The file is as it was before it got other keys')
  expect((await lab.vault.snapshots('prod'))[0]?.damage).toBeUndefined()
  expect((await keyRotate(lab.context, [], { yes: true })).exitCode).toBe(0)
  await expectRotated(lab)
})

test('the ledger can not pass another body off as the one that was written', async () => {
  await using lab = await keyLab()
  await make(lab, 1, toOld(lab))
  await keyRotate(lab.context, [], { yes: true })
  const [snapshot] = await lab.vault.snapshots('prod')
  const file = snapshot?.manifest.sources[0]?.archives[0]
  if (snapshot === undefined || file === undefined) throw new Error('no snapshot')
  const path = lab.vault.filePath(snapshot, file.file)
  const bytes = await readFile(path)
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  await writeFile(path, bytes)
  const { createHash } = await import('node:crypto')
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  for (const name of ['ledger.jsonl', `${snapshot.id}/SHA256SUMS`]) {
    const other = join(lab.vault.path, 'prod', name)
    await writeFile(other, (await readFile(other, 'utf8')).replaceAll(file.sha256, sha256))
  }
  const problems = await lab.vault.check('prod', { hashes: true, signal: never })
  expect(problems.map(({ code }) => code)).toContain('body-differs')
})

test('a run holds the lock: exit 5; a vault that can not be written to stays as it was', async () => {
  await using lab = await keyLab()
  await make(lab, 1, toOld(lab))
  {
    await using _lock = await lab.vault.lock('prod')
    expect((await keyRotate(lab.context, [], { yes: true })).exitCode).toBe(5)
    expect((await keyRotate(lab.context, [], { dryRun: true })).exitCode).toBe(5)
  }
  await expect(keyRotate(lab.context, [], {})).rejects.toMatchObject({ code: 'usage' })
  await lab.writeConfig('{ passphrase: { env: NOTHING } }')
  await expect(keyRotate(lab.context, [], { yes: true })).rejects.toMatchObject({
    message: 'The config encrypts with a passphrase, which has no recipients to change',
  })
})

// Only root may mount.
test.skipIf(process.getuid?.() !== 0)(
  'on a disk that fills up every file is as before or as after, nothing half made stays, and with room the next run finishes',
  async () => {
    await using lab = await keyLab('1m')
    await make(lab, 2, toOld(lab))
    const ballast = join(lab.directory, 'disk/ballast')
    await writeFile(ballast, Buffer.alloc(2 * 1024 * 1024)).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'ENOSPC' })
    })
    const { size } = await stat(ballast)
    // Each file takes a page of 4 KiB, so do the directory and the ledger's next line at times.
    for (const room of [0, 1, 2, 3, 4]) {
      await truncate(ballast, size - room * 4096)
      const { exitCode, json } = await keyRotate(lab.context, [], { yes: true })
      const where = `with ${room} pages`
      expect(exitCode, where).not.toBe(0)
      expect(json, where).toMatchObject({ hosts: [{ error: { code: 'disk-full' } }] })
      for (const file of await filesOf(lab.vault))
        expect((await opens(lab.old, file)) || (await opens(lab.new, file)), where).toBe(true)
      const names = await readdir(join(lab.vault.path, 'prod'))
      expect(names, where).not.toContainEqual(expect.stringMatching(/^\.rekeying-/))
    }
    await rm(ballast)
    expect((await keyRotate(lab.context, [], { yes: true })).exitCode).toBe(0)
    await expectRotated(lab)
  },
)

test(
  'killed at any step, every file is as before or as after, verify is content, and the next run finishes',
  { timeout: 600_000 },
  async () => {
    await using lab = await keyLab()
    await make(lab, 2, toOld(lab))
    const untouched = join(lab.directory, 'untouched')
    await cp(lab.vault.path, untouched, { recursive: true })
    const config = lab.context.globals.config ?? ''
    const run = (at: number) =>
      promisify(execFile)(process.execPath, ['--no-warnings', CHILD, config, String(at)]).then(
        ({ stdout }) => stdout,
        (error: { signal?: string; stdout: string; stderr: string }) => {
          if (error.signal !== 'SIGKILL') throw error
          return 'killed'
        },
      )
    const [, all = ''] = /^done 0 after (\d+)$/m.exec(await run(0)) ?? []
    await expectRotated(lab)
    const steps = share(
      Array.from({ length: Number(all) }, (_, at) => at + 1),
      3,
    )
    expect(Number(all)).toBeGreaterThan(15)
    tally('kills of a change of keys', steps.length)
    for (const step of steps) {
      await rm(lab.vault.path, { recursive: true })
      await rm(join(lab.directory, 'state'), { recursive: true, force: true })
      await cp(untouched, lab.vault.path, { recursive: true })
      const said = await run(step)
      const where = `killed before step ${step} of ${all}`
      expect(said, where).toBe('killed')
      expect((await verify(lab.context, [], { all: true })).text, where).toContain('all as recorded')
      for (const file of await filesOf(await openVault(lab.vault.path)))
        expect((await opens(lab.old, file)) || (await opens(lab.new, file)), where).toBe(true)
      expect((await keyRotate(lab.context, [], { yes: true })).exitCode, where).toBe(0)
      await expectRotated(lab)
    }
  },
)
