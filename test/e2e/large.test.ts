import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { watchCli } from '../lab/cli.ts'
import { everySecond, share, soaking } from '../lab/soak.ts'
import { startWorld, type World } from '../lab/world.ts'

everySecond()

const MIB = 1024 ** 2
const GIB = 1024 ** 3
/** The promises, in bytes of resident memory at the peak: of any size, and of a million names. */
const LIMIT = 200 * MIB
const MANY_NAMES_LIMIT = soaking ? 256 * MIB : LIMIT

let world: World
beforeAll(async () => {
  world = await startWorld()
  const { data } = world.config.hosts['prod']!.sources
  world.config.hosts['prod']!.sources = { data: data! }
  world.config.retention = { last: 1 }
  await world.writeConfig()
})
afterAll(() => world[Symbol.asyncDispose]())

const watched = (...args: readonly string[]) => watchCli(world.start(...args))

async function pulled(): Promise<{ peak: number; source: Source }> {
  const { code, stderr, peak } = await watched('pull', 'prod')
  expect(code, stderr).toBe(0)
  const id = (await world.snapshots()).at(-1) ?? ''
  const [source] = (await world.manifest(id))['sources'] as [Source]
  return { peak, source }
}

interface Source {
  readonly entries: number
  readonly archives: readonly { readonly file: string; readonly plainBytes: number; readonly bytes: number }[]
  readonly facts: { readonly files: number; readonly bytes: number }
  readonly warnings: readonly unknown[]
}

/** A file with holes of these bytes, and random ones at its front. */
async function makeFile(path: string, bytes: number, random: number): Promise<void> {
  await using file = await open(path, 'w')
  for (let written = 0; written < random; written += 4 * MIB) await file.write(randomBytes(4 * MIB))
  await file.truncate(bytes)
}

const LARGE = [
  { what: `${soaking ? 10 : 2} GB, half of it a file of zeros`, run: manyBytes },
  { what: `${soaking ? 'a million' : '100,000'} names`, run: manyNames },
]

describe('memory stays below its bound', () => {
  test('for 100 MB of random bytes', async () => {
    const file = join(world.deployment, 'data', 'random')
    await makeFile(file, 100 * MIB, 100 * MIB)
    const { peak, source } = await pulled()
    expect(source.archives[0]!.bytes).toBeGreaterThan(100 * MIB)
    expect(peak).toBeLessThan(LIMIT)
    const restored = await watched('restore', '--host', 'prod', '--yes', '--no-safety')
    expect(restored.code, restored.stderr).toBe(0)
    expect(restored.peak).toBeLessThan(LIMIT)
    await rm(file)
  })

  // A soak runs both, as large as the promise says; else the commit's number chooses one, and it is smaller.
  test.each(share(LARGE, 1))('for $what', ({ run }) => run())
})

async function manyBytes(): Promise<void> {
  const half = (soaking ? 5 : 1) * GIB
  const zeros = join(world.deployment, 'data', 'zeros')
  const mixed = join(world.deployment, 'data', 'mixed')
  await makeFile(zeros, half, 0)
  await makeFile(mixed, half, 100 * MIB)
  const { peak, source } = await pulled()
  expect(source.facts).toMatchObject({ files: 3, bytes: 2 * half + 100_000 })
  expect(source.archives[0]!.plainBytes).toBeGreaterThan(2 * half)
  expect(source.archives[0]!.bytes).toBeLessThan(110 * MIB)
  expect(peak).toBeLessThan(LIMIT)
  await rm(mixed)
  await rm(zeros)
}

async function manyNames(): Promise<void> {
  const folders = soaking ? 100 : 10
  const names = join(world.deployment, 'data', 'names')
  await mkdir(names)
  const make = `
    use strict; use warnings;
    for my $folder (1 .. $ARGV[1]) {
      mkdir "$ARGV[0]/$folder" or die;
      for my $file (0 .. 9999) {
        open my $handle, '>', "$ARGV[0]/$folder/a-file-name-of-some-length-$file.log" or die;
      }
    }`
  execFileSync('perl', ['-e', make, names, String(folders)])
  const { peak, source } = await pulled()
  expect(source.entries).toBe(folders * 10_000 + folders + 3)
  expect(source.facts).toMatchObject({ files: folders * 10_000 + 1 })
  expect(peak).toBeLessThan(MANY_NAMES_LIMIT)
  const verified = await watched('verify', '--all')
  expect(verified.code).toBe(0)
  expect(verified.peak).toBeLessThan(MANY_NAMES_LIMIT)
  const restored = await watched('restore', '--host', 'prod', '--yes', '--no-safety')
  expect(restored.code, restored.stderr).toBe(0)
  expect(restored.peak).toBeLessThan(MANY_NAMES_LIMIT)
  await rm(names, { recursive: true })
}
