import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCli } from '../lab/cli.ts'
import { treeListing } from '../lab/command-services.ts'
import { expectClearFailure } from '../lab/unharmed.ts'
import { startWorld, type World } from '../lab/world.ts'

const DAY = 24 * 60 * 60 * 1000

let world: World
let fingerprint: string
beforeAll(async () => {
  world = await startWorld()
  const gpg = (...args: string[]): string =>
    execFileSync('gpg', ['--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', '', ...args], {
      env: world.gpg.env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  // The key itself never expires, its encryption subkey soon does.
  const mail = 'soon@example.com'
  gpg('--quick-generate-key', mail, 'ed25519', 'cert,sign', 'never')
  fingerprint = /^fpr:+([0-9A-F]+):/m.exec(gpg('--list-keys', '--with-colons', mail))?.[1] ?? ''
  gpg('--quick-add-key', fingerprint, 'cv25519', 'encr', '20d')
  const [recipient, identity] = [join(world.home, 'soon.pub.asc'), join(world.home, 'soon.key.asc')]
  await writeFile(recipient, gpg('--armor', '--export', mail))
  await writeFile(identity, gpg('--armor', '--export-secret-keys', mail), { mode: 0o600 })
  Object.assign(world.config.encryption, { recipients: [recipient], identity })
  const { prod } = world.config.hosts
  prod!.sources = { data: { kind: 'files', path: 'data' } }
  world.config.hosts['new'] = { ...prod!, deployment: join(dirname(world.deployment), 'new') }
  await world.writeConfig()
})
afterAll(() => world[Symbol.asyncDispose]())

/** Runs the program when the subkey has expired. */
const later = async (...args: string[]) => {
  const file = join(world.home, 'clock.mjs')
  await writeFile(
    file,
    `const real = Date.now
     globalThis.Date = class extends Date {
       constructor(...args) { if (args.length === 0) super(real() + ${50 * DAY}); else super(...args) }
       static now() { return real() + ${50 * DAY} }
     }`,
  )
  return runCli(args, { cwd: world.home, env: { NODE_OPTIONS: `--import=${file}` } })
}

test('a pull, its dry run and `key check` warn 30 days before a recipient expires', async () => {
  for (const args of [
    ['pull', 'prod', '--dry-run'],
    ['pull', 'prod'],
    ['key', 'check'],
  ]) {
    const { code, stdout, stderr } = await world.cli(...args)
    expect(code, stderr).toBe(0)
    expect(stdout + stderr).toMatch(
      new RegExp(`warning:? .*${fingerprint} .* expires on \\d{4}-\\d\\d-\\d\\d: pulls fail from then on`),
    )
    expect(stdout + stderr).toContain(`--quick-set-expire ${fingerprint}`)
  }
})

test('an expired recipient stops a restore only where something would have to be encrypted', async () => {
  const expired = /no encryption subkey that is valid now/
  expectClearFailure(await later('pull', 'prod'), { code: 1, says: expired, next: /--quick-add-key/ })
  expectClearFailure(await later('pull', 'prod', '--dry-run'), { code: 1, says: expired, next: /./ })

  const bare = await later('restore', '--host', 'new', '--from', 'prod', '--yes')
  expect(bare.code, bare.stdout + bare.stderr).toBe(0)

  const before = treeListing(world.deployment)
  for (const flag of ['--dry-run', '--yes']) {
    const refused = await later('restore', '--host', 'prod', flag)
    const says = /no safety snapshot can be made of what is there: .*no encryption subkey/
    expectClearFailure(refused, { code: 1, says, next: /restore with --no-safety/ })
    expect(treeListing(world.deployment)).toBe(before)
  }
  const given = await later('restore', '--host', 'prod', '--yes', '--no-safety')
  expect(given.code, given.stdout + given.stderr).toBe(0)
})

test('after a lost identity nobody is advised to make a new key', async () => {
  world.config.encryption['identity'] = join(world.home, 'lost.asc')
  await world.writeConfig()
  const result = await world.cli('restore', '--host', 'prod', '--yes')
  expectClearFailure(result, { code: 1, says: /lost\.asc does not exist/, next: /key import FILE/ })
  expect(result.stdout + result.stderr).not.toContain('key generate')
})
