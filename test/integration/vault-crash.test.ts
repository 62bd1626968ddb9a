import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { snapshotTime } from '../../src/model/names.ts'
import { openVault } from '../../src/vault/open-vault.ts'
import { random, rounds, tally } from '../lab/soak.ts'
import { makeSnapshot, never, temporaryVault } from '../unit/vault/fixtures.ts'

const CHILD = fileURLToPath(new URL('vault-child.ts', import.meta.url))
const ROUNDS = rounds(6, 300)

class Child implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly lines: string[] = []

  constructor(mode: string, path: string) {
    this.#process = spawn(process.execPath, ['--no-warnings', CHILD, mode, path], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    if (this.#process.stdout === null) throw new Error('no stdout')
    createInterface(this.#process.stdout).on('line', (line) => this.lines.push(line))
  }

  async waitForLine(): Promise<void> {
    while (this.lines.length === 0) {
      if (this.#process.exitCode !== null) throw new Error('the child ended')
      await sleep(5)
    }
  }

  /** Ends it and waits until all it said was read. */
  async kill(): Promise<void> {
    const closed = this.#process.stdout?.closed === true ? undefined : once(this.#process, 'close')
    this.#process.kill('SIGKILL')
    await closed
  }

  async endInput(): Promise<void> {
    const closed = once(this.#process, 'close')
    this.#process.stdin?.end()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await this.kill()
  }
}

test('after SIGKILL at any moment the vault lists and checks as before, and the next run succeeds', async () => {
  await using made = await temporaryVault()
  const acknowledged = new Set<string>()
  const moment = random('vault')
  tally('kills of a process that changes a vault', ROUNDS)
  for (let round = 0; round < ROUNDS; round += 1) {
    await using child = new Child('churn', made.path)
    await child.waitForLine()
    await sleep(moment() * 120)
    await child.kill()
    for (const line of child.lines) {
      const [verb, id] = line.split(' ')
      if (verb === 'made' && id !== undefined) acknowledged.add(id)
      if (verb === 'removing' && id !== undefined) acknowledged.delete(id)
    }

    const vault = await openVault(made.path)
    const listed = await vault.snapshots('prod', { retired: true })
    const ids = new Set(listed.map(({ id }) => id))
    for (const id of acknowledged) expect(ids, `round ${round}`).toContain(id)
    for (const { manifest, removedFiles, ...snapshot } of listed) {
      const files = await readdir(join(made.path, 'prod', snapshot.id))
      for (const file of ['data.tar.zst.gpg', 'logs.tar.zst.gpg']) {
        if (!removedFiles.has(file)) expect(files).toContain(file)
      }
      expect(manifest.id).toBe(snapshot.id)
    }
    const check = () => vault.check('prod', { hashes: true, signal: never })
    // At most the one snapshot whose ledger line was cut off.
    const found = (await check()).map(({ code }) => code)
    expect(found.length === 0 || found.join() === 'unknown-snapshot', `round ${round}: ${found.join()}`).toBe(
      true,
    )

    const newest = listed.at(-1)
    const at = newest === undefined ? Date.parse('2025-01-01T00:00:00Z') : snapshotTime(newest.id).getTime()
    await using lock = await vault.lock('prod')
    const next = await makeSnapshot(vault, lock, new Date(at + 60_000), { sources: ['data', 'logs'] })
    acknowledged.add(next.id)
    expect(await check()).toEqual([])
    for (const { id, removedFiles } of await vault.snapshots('prod')) {
      // Removed archives are out of the checksum file too, whenever the kill came.
      expect(removedFiles.size).toBeLessThan(2)
      execFileSync('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], {
        cwd: join(made.path, 'prod', id),
      })
    }
    const leftovers = (await readdir(join(made.path, 'prod'))).filter((name) =>
      /^\.(partial|removing)-/.test(name),
    )
    expect(leftovers).toEqual([])
  }
})

test('of several processes that race for the lock exactly one gets it, and its death frees it', async () => {
  await using made = await temporaryVault()
  const children = [1, 2, 3].map(() => new Child('lock', made.path))
  await using _cleanup = {
    [Symbol.asyncDispose]: async () => {
      for (const child of children) await child[Symbol.asyncDispose]()
    },
  }
  for (const child of children) await child.waitForLine()
  const holders = children.filter(({ lines }) => lines[0] === 'held')
  expect(holders).toHaveLength(1)
  for (const { lines } of children.filter((child) => !holders.includes(child))) {
    expect(lines[0]).toMatch(
      /^refused prod is locked by (child lock \(process \d+ on .+, since .+Z\)|another run)$/,
    )
  }
  await expect(made.vault.lock('prod')).rejects.toMatchObject({ code: 'locked' })
  await holders[0]?.kill()
  await using _lock = await made.vault.lock('prod')
})

test('a holder that ends in order frees the lock', async () => {
  await using made = await temporaryVault()
  await using child = new Child('lock', made.path)
  await child.waitForLine()
  await expect(made.vault.lock('prod')).rejects.toThrow('child lock')
  await child.endInput()
  await using _lock = await made.vault.lock('prod')
})
