import { execFileSync } from 'node:child_process'
import { endedRun } from '../../lab/ended-run.ts'
import {
  chmod,
  chown,
  copyFile,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { accessFindings } from '../../../src/vault/access.ts'
import type { Vault } from '../../../src/vault/contract.ts'
import { openVault } from '../../../src/vault/open-vault.ts'
import { verifyVault } from '../../../src/verify/verify-vault.ts'
import { makeDays, never, temporaryVault } from './fixtures.ts'

const monday = new Date('2025-11-17T02:00:00Z')
const run = endedRun(monday)

async function told(vault: Vault): Promise<string[]> {
  const report = await verifyVault(vault, [{ host: 'prod' }], {
    reporter: { event: () => {} },
    now: () => new Date(),
    signal: never,
  })
  return report.hosts.flatMap(({ problems }) => problems.map(({ code, file }) => `${code} ${file ?? ''}`))
}

/** A vault of two days, and a file beside it that nobody may touch. */
async function lab() {
  const made = await temporaryVault()
  const [first, second] = await makeDays(made.vault, 'prod', monday, 2)
  if (first === undefined || second === undefined) throw new Error('no snapshot')
  await made.vault.recordRun(run)
  const precious = join(made.path, '../precious')
  await writeFile(precious, 'precious\n', { mode: 0o644 })
  await chmod(precious, 0o644)
  const host = join(made.path, 'prod')
  const replace = async (name: string, by: (path: string) => Promise<void> | Buffer) => {
    await rm(join(host, name), { recursive: true, force: true })
    await by(join(host, name))
  }
  const insistOnPrecious = async () => {
    expect(await readFile(precious, 'utf8')).toBe('precious\n')
    expect((await stat(precious)).mode & 0o777).toBe(0o644)
  }
  return { ...made, first, second, precious, host, replace, insistOnPrecious }
}

describe('a link in the place of a file of the vault is not followed', () => {
  test.each(['.lock', 'ledger.jsonl', 'runs.jsonl', 'damage.jsonl'])('%s', async (name) => {
    await using made = await lab()
    const { vault, precious } = made
    await made.replace(name, (path) => symlink(precious, path))
    const work = async () => {
      await makeDays(vault, 'prod', new Date('2025-11-20T02:00:00Z'), 1)
      await vault.recordRun(run)
      await writeFile(vault.filePath(made.first, 'logs.tar.zst.gpg'), 'damaged')
      const problems = await vault.check('prod', { hashes: true, signal: never })
      if (problems.some(({ code }) => code === 'not-remembered')) throw new Error('not-a-file')
    }
    await expect(work()).rejects.toThrow(/not a file|not-a-file/)
    await made.insistOnPrecious()
    if (name !== '.lock') expect((await told(vault)).join()).toContain('not-a-file')
  })

  test('an archive, a manifest, the checksums', async () => {
    await using made = await lab()
    const { first, host } = made
    for (const file of ['logs.tar.zst.gpg', 'manifest.json', 'SHA256SUMS']) {
      const path = join(host, first.id, file)
      await rename(path, `${made.path}/../${file}`)
      await symlink(`${made.path}/../${file}`, path)
      expect(await told(made.vault), file).toEqual([`not-a-file ${file}`])
      await rm(path)
      await rename(`${made.path}/../${file}`, path)
      expect(await told(made.vault), file).toEqual([])
    }
  })

  test('a directory of a snapshot, of what is removed, of the host', async () => {
    await using made = await lab()
    const { vault, host, first, second, path } = made
    await using lock = await vault.lock('prod')
    const elsewhere = join(path, '../elsewhere')
    await rename(join(host, first.id), elsewhere)
    await symlink(elsewhere, join(host, first.id))
    expect((await vault.snapshots('prod')).map(({ id }) => id)).toEqual([second.id])
    expect(await told(vault)).toEqual(['not-a-directory '])
    await symlink(elsewhere, join(host, `.removing-${first.id}`))
    await expect(vault.remove(lock, first, 'test', monday)).rejects.toThrow()
    await using again = await openVault(path).then(async (other) => {
      await lock[Symbol.asyncDispose]()
      return await other.lock('prod')
    })
    expect((await readdir(elsewhere)).sort()).toEqual(['SHA256SUMS', 'logs.tar.zst.gpg', 'manifest.json'])

    await mkdir(join(path, '../outside'))
    await made.replace('removed', (at) => symlink(join(path, '../outside'), at))
    await expect(vault.remove(again, second, 'test', monday)).rejects.toMatchObject({
      code: 'not-a-directory',
    })
    expect(await readdir(join(path, '../outside'))).toEqual([])
    await symlink(elsewhere, join(path, 'stage'))
    await expect(vault.lock('stage')).rejects.toMatchObject({ code: 'not-a-directory' })
  })
})

describe('what never ends is not waited for', () => {
  const fifo = (path: string) => {
    execFileSync('mkfifo', [path])
    return Promise.resolve()
  }

  test.each(['manifest.json', 'SHA256SUMS', 'logs.tar.zst.gpg'])('a FIFO as %s', async (file) => {
    await using made = await lab()
    await made.replace(join(made.first.id, file), fifo)
    expect(await told(made.vault)).toEqual([`not-a-file ${file}`])
  })

  test.each(['runs.jsonl', 'damage.jsonl', 'ledger.jsonl'])('a FIFO as %s', async (file) => {
    await using made = await lab()
    await made.replace(file, fifo)
    expect((await told(made.vault)).join()).toContain('not-a-file')
    // No list, restore or retention needs the first two.
    if (file !== 'ledger.jsonl') expect(await made.vault.snapshots('prod')).toHaveLength(2)
  })

  test('a FIFO where the manifests of removed snapshots should be', async () => {
    await using made = await lab()
    {
      await using lock = await made.vault.lock('prod')
      await made.vault.remove(lock, made.first, 'test', monday)
    }
    await made.replace('removed', fifo)
    expect(await told(made.vault)).toEqual([`unreadable removed/${made.first.id}.json`])
    expect(await made.vault.contradictions('prod')).toEqual([])
  })

  // Only root may make devices.
  test.skipIf(process.getuid?.() !== 0)('a device, and a link to one', async () => {
    await using made = await lab()
    const manifest = join(made.first.id, 'manifest.json')
    await made.replace(manifest, (path) => symlink('/dev/zero', path))
    expect(await told(made.vault)).toEqual(['not-a-file manifest.json'])
    await made.replace(manifest, (path) => {
      execFileSync('mknod', [path, 'c', '1', '5'])
      return Promise.resolve()
    })
    expect(await told(made.vault)).toEqual(['not-a-file manifest.json'])
  })

  test('a manifest of a terabyte is not read', async () => {
    await using made = await lab()
    await truncate(join(made.host, made.first.id, 'manifest.json'), 2 ** 40)
    expect(await told(made.vault)).toEqual(['too-large manifest.json'])
    await truncate(join(made.path, 'vault.json'), 2 ** 40)
    await expect(openVault(made.path)).rejects.toMatchObject({ code: 'too-large' })
  })
})

describe('a vault that others can write to', () => {
  const uid = process.getuid?.()

  test('is a warning with the command that mends it', async () => {
    await using made = await lab()
    expect(await accessFindings(made.path, uid)).toEqual([])
    for (const path of [made.path, made.host, join(made.path, 'vault.json')]) {
      const { mode } = await stat(path)
      await chmod(path, mode | 0o020)
      const [finding, ...others] = await accessFindings(made.path, uid)
      expect(others).toEqual([])
      expect(finding).toMatchObject({ check: 'vault-writable', outcome: 'warning' })
      expect(finding?.next).toContain(`chmod -R go-rwx ${made.path}`)
      execFileSync('sh', ['-c', `chmod -R go-rwx ${made.path}`])
      expect(await accessFindings(made.path, uid)).toEqual([])
    }
  })

  test('also where a link leads to it', async () => {
    await using made = await lab()
    const link = join(made.path, '../link')
    await symlink(made.path, link)
    expect(await accessFindings(link, uid)).toEqual([])
    await chmod(made.path, 0o777)
    expect((await accessFindings(link, uid))[0]?.message).toContain(
      'by every user of this computer (mode 777)',
    )
  })

  test('and one of another user', async () => {
    await using made = await lab()
    const [finding] = await accessFindings(made.path, 4321)
    expect(finding).toMatchObject({ check: 'vault-owner' })
    expect(finding?.next).toContain(`sudo chown -R 4321 ${made.path}`)
    if (uid !== 0) return
    await chown(made.host, 4321, 4321)
    expect((await accessFindings(made.path, uid)).map(({ check }) => check)).toEqual(['vault-owner'])
  })

  test('nothing is said where there is no vault yet, or no owners', async () => {
    expect(await accessFindings('/nowhere/at/all', uid)).toEqual([])
    expect(await accessFindings('/', undefined)).toEqual([])
  })
})

test('verify names the file that is wrong: a removed manifest, a line too many, a line of the history', async () => {
  await using made = await lab()
  const { vault, first, second, host } = made
  {
    await using lock = await vault.lock('prod')
    await vault.remove(lock, first, 'test', monday)
  }
  expect(await told(vault)).toEqual([])
  const record = `removed/${first.id}.json`
  const good = await readFile(join(host, record), 'utf8')
  await writeFile(join(host, record), good.replace('x86_64', 'sparc64'))
  expect(await told(vault)).toEqual([`manifest-differs ${record}`])
  await writeFile(join(host, record), good)

  const sums = join(host, second.id, 'SHA256SUMS')
  await copyFile(sums, `${sums}.good`)
  for (const line of [`${'0'.repeat(64)}  evil.sh`, 'some text', '', `${'0'.repeat(64)}  logs.tar.zst.gpg`]) {
    await copyFile(`${sums}.good`, sums)
    await writeFile(sums, `${line}\n`, { flag: 'a' })
    expect(await told(vault), line).toEqual(['sums-differ SHA256SUMS'])
  }
  await copyFile(`${sums}.good`, sums)

  await vault.recordRun(run)
  const runs = join(host, 'runs.jsonl')
  await writeFile(runs, (await readFile(runs, 'utf8')).replace('"done"', '"done "'))
  expect(await told(vault)).toEqual(['lines-damaged runs.jsonl'])
})
