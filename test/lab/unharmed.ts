import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { CliResult } from './cli.ts'
import type { World } from './world.ts'

/** What the vault says of itself: `list` without the ages, `verify --all`, and every byte but the history. */
interface VaultState {
  readonly list: unknown
  readonly verify: number
  /** Ids of the complete snapshots of `prod`. */
  readonly complete: ReadonlySet<string>
  readonly tree: ReadonlyMap<string, string>
}

/** Looks at the vault, to be compared after what must not harm it. */
export async function vaultState(world: World): Promise<VaultState> {
  const [list, verify] = [await world.cli('list', '--json'), await world.cli('verify', '--all', '--json')]
  const withoutAges = (key: string, value: unknown) => (key === 'age' || key === 'ageMs' ? undefined : value)
  return {
    list: JSON.parse(list.stdout, withoutAges) as unknown,
    verify: verify.code,
    complete: new Set(await completeSnapshots(world)),
    tree: vaultTree(world),
  }
}

async function completeSnapshots(world: World): Promise<string[]> {
  const ids = await world.snapshots()
  const manifests = await Promise.all(ids.map((id) => world.manifest(id)))
  return ids.filter((_id, at) => manifests[at]?.['complete'] === true)
}

/** Every file of the vault with its hash; the history, the audit log, and what dead runs left aside. */
export function vaultTree(world: World): Map<string, string> {
  const files = new Map<string, string>()
  const names = readdirSync(world.vault, { recursive: true, encoding: 'utf8' })
  for (const name of names) {
    const path = join(world.vault, name)
    if (
      /(^|\/)((runs|audit)\.jsonl$|\.lock$|\.reserve$|\.partial-|\.run-)/.test(name) ||
      !statSync(path).isFile()
    )
      continue
    files.set(name, createHash('sha256').update(readFileSync(path)).digest('hex'))
  }
  return files
}

/** The rules that hold for every failure: exit code, a next step, no secret and no escape code in the output. */
export function expectClearFailure(
  result: CliResult,
  expected: {
    readonly code: number
    readonly says: RegExp
    readonly next: RegExp
    readonly secrets?: string[]
  },
): void {
  const output = result.stdout + result.stderr
  expect(output).toMatch(expected.says)
  expect(result.code).toBe(expected.code)
  const next = output.split('\n').filter((line) => /^ *Next: /.test(line))
  expect(next.join('\n')).toMatch(expected.next)
  expect(output).not.toMatch(/internal error|\n +at |undefined|\[object /)
  expect(output.includes('\x1b')).toBe(false)
  for (const secret of expected.secrets ?? []) expect(output).not.toContain(secret)
}

/** Nothing of ours is left on the server; what is undone there by a lease may take a moment. */
export async function expectCleanServer(world: World): Promise<void> {
  const left = () => execFileSync('find', [world.deployment, '-name', '.relay-backup*'], { encoding: 'utf8' })
  for (let tries = 0; tries < 100 && left() !== ''; tries += 1) await sleep(200)
  expect(left()).toBe('')
}

/** The next pull succeeds, sweeps what the failed ones left, and the vault is whole. */
export async function expectGoodPull(world: World): Promise<void> {
  const result = await world.cli('pull', 'prod')
  expect(result.stdout + result.stderr).not.toMatch(/failed|error/)
  expect(result.code).toBe(0)
  const left = readdirSync(join(world.vault, 'prod')).filter((name) => name.startsWith('.partial-'))
  expect(left).toEqual([])
  expect((await world.cli('verify', '--all')).code).toBe(0)
  await expectCleanServer(world)
}
