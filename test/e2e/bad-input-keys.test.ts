import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from '../lab/cli.ts'
import { expectClearFailure, expectGoodPull, vaultState, vaultTree } from '../lab/unharmed.ts'
import { startWorld, type World } from '../lab/world.ts'

const DAY = 24 * 60 * 60 * 1000

let world: World
let before: Awaited<ReturnType<typeof vaultState>>
beforeAll(async () => {
  world = await startWorld()
  world.config.hosts['prod']!.sources = { logs: { kind: 'files', path: 'logs' } }
  await world.writeConfig()
  await expectGoodPull(world)
  before = await vaultState(world)
})
afterAll(() => world[Symbol.asyncDispose]())

describe('a recipient', () => {
  const LONG_AGO = ['--faked-system-time', '20200101T000000']
  // Each gpg begins at its time anew, so by an earlier one's the key may be of the future.
  const THEN = ['--faked-system-time', '20200101T010000']
  const gpg = (...args: string[]): string =>
    execFileSync('gpg', ['--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', '', ...args], {
      env: world.gpg.env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  const makeKey = (mail: string, expires: string, when: readonly string[] = []): string => {
    gpg(...when, '--quick-generate-key', mail, 'ed25519', 'cert,sign', expires)
    return /^fpr:+([0-9A-F]+):/m.exec(gpg('--list-keys', '--with-colons', mail))?.[1] ?? ''
  }
  const pullTo = async (mail: string, ...args: string[]) => {
    const file = join(world.home, `${mail}.asc`)
    await writeFile(file, gpg('--armor', '--export', mail))
    const { recipients } = world.config.encryption
    world.config.encryption['recipients'] = [file]
    await world.writeConfig()
    const result = await world.cli('pull', 'prod', ...args)
    world.config.encryption['recipients'] = recipients
    await world.writeConfig()
    expect(vaultTree(world)).toEqual(before.tree)
    return result
  }

  test('that has expired is refused before anything is tried', async () => {
    const fingerprint = makeKey('expired@example.com', '1y', LONG_AGO)
    gpg(...THEN, '--quick-add-key', fingerprint, 'cv25519', 'encr', '1y')
    const result = await pullTo('expired@example.com')
    const next = new RegExp(`gpg --quick-set-expire ${fingerprint} 2y`)
    expectClearFailure(result, { code: 1, says: /it expired on 2020-12-31/, next })
    expect(result.stderr).not.toContain('connecting')
  })

  test('whose encryption subkey has expired', async () => {
    const fingerprint = makeKey('subkey@example.com', 'never', LONG_AGO)
    gpg(...THEN, '--quick-add-key', fingerprint, 'cv25519', 'encr', '1y')
    const result = await pullTo('subkey@example.com')
    expectClearFailure(result, {
      code: 1,
      says: /no encryption subkey that is valid now/,
      next: /--quick-add-key/,
    })
  })

  test('that can only sign, also as JSON', async () => {
    makeKey('sign@example.com', 'never')
    const expected = { code: 1, says: /no encryption subkey that is valid now/, next: /--quick-add-key/ }
    expectClearFailure(await pullTo('sign@example.com'), expected)
    const { error } = JSON.parse((await pullTo('sign@example.com', '--json')).stdout) as { error: unknown }
    expect(error).toMatchObject({ code: 'key', next: expect.stringMatching(/--quick-add-key/) as string })
  })
})

describe('the clock of this computer', () => {
  /** Runs the program with its clock set off. */
  const cliAt = async (offset: number, ...args: string[]) => {
    const file = join(world.home, 'clock.mjs')
    await writeFile(
      file,
      `const real = Date.now
       globalThis.Date = class extends Date {
         constructor(...args) { if (args.length === 0) super(real() + ${offset}); else super(...args) }
         static now() { return real() + ${offset} }
       }`,
    )
    return runCli(args, { cwd: world.home, env: { NODE_OPTIONS: `--import=${file}` } })
  }

  test('that is far behind: the recipient is from the future, and nothing is tried', async () => {
    const result = await cliAt(-3000 * DAY, 'pull', 'prod')
    expectClearFailure(result, {
      code: 1,
      says: /after the time of this computer's clock/,
      next: /Set the clock right/,
    })
    expect(vaultTree(world)).toEqual(before.tree)
  })

  test('that went back: pulls go on, and the snapshot of the future does not stop them', async () => {
    expect((await cliAt(2 * DAY, 'pull', 'prod')).code).toBe(0)
    const [, future] = await world.snapshots()
    const asked = await world.cli('restore', '--host', 'prod', '--yes')
    expect(asked.code).toBe(2)
    expect(asked.stderr).toMatch(
      new RegExp(
        `prod/${future} was made last, and is dated 1d 23h ahead.*\\nNext: .* restore prod/${future}`,
      ),
    )
    const dry = await world.cli('restore', `prod/${future}`, '--host', 'prod', '--dry-run')
    expect(dry.code, dry.stderr).toBe(0)
    expect(dry.stdout).toContain('warning: prod/')
    const result = await world.cli('pull', 'prod')
    expect(result.code).toBe(0)
    expect(result.stderr).toMatch(
      /the clock went back, .* is dated in the future.*\n +Next: Set this computer's clock/,
    )
    const ids = await world.snapshots()
    expect(ids).toHaveLength(3)
    expect(ids.at(-1)).toBe(future)
    const list = await world.cli('list')
    expect(list.stdout).toMatch(new RegExp(`${future} +in 1d 23h .*logs *\n.*${ids[1]} .*latest`))
    expect(list.stdout).toContain(`Dated ahead of this computer's clock: prod/${future}`)
    expect((await world.cli('verify', '--all')).code).toBe(0)
  })

  test('that went back does not let rotation take what was just made', async () => {
    world.config.retention = { last: 1 }
    await world.writeConfig()
    const result = await world.cli('pull', 'prod')
    expect(result.code).toBe(0)
    const made = /prod\/(\d{8}T\d{6}Z): done/.exec(result.stdout)?.[1]
    expect(await world.snapshots()).toContain(made)
    await mkdir(join(world.home, 'out'))
    await world.extract(made ?? '', join(world.home, 'out'))
    expect((await world.cli('verify', '--all')).code).toBe(0)
  })
})
