import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { CommandContext } from '../../src/commands/context.ts'
import { hostsList } from '../../src/commands/hosts-list.ts'
import { hostsTrust } from '../../src/commands/hosts-trust.ts'
import { fingerprint } from '../../src/remote/known-hosts.ts'
import { startSshd } from '../lab/sshd.ts'
import type { Sshd } from '../lab/sshd.ts'
import { tempDir } from '../lab/temp.ts'
import type { TempDir } from '../lab/temp.ts'

let sshd: Sshd
let real: string
let home: TempDir
const before = process.env['HOME']
beforeAll(async () => {
  // With a home of its own, neither the system's ssh_config nor the user's has a say.
  home = await tempDir()
  process.env['HOME'] = home.path
  sshd = await startSshd()
  real = fingerprint(Buffer.from(sshd.hostPublicKeys[0]?.split(' ')[1] ?? '', 'base64'))
})
afterAll(async () => {
  process.env['HOME'] = before
  await sshd[Symbol.asyncDispose]()
  await home[Symbol.asyncDispose]()
})

/** A config with one host, and a context in which nobody can be asked. */
async function prepare(temp: TempDir, known: string): Promise<{ context: CommandContext; file: string }> {
  const file = join(temp.path, 'known_hosts')
  await writeFile(file, known)
  await writeFile(
    join(temp.path, 'hosts.yaml'),
    `version: 1
vault: vault
encryption: { passphrase: { env: P } }
hosts:
  prod:
    ssh: { host: 127.0.0.1, port: ${sshd.port}, user: ubuntu, knownHosts: known_hosts }
    deployment: ~/app
    tags: [live]
`,
  )
  return {
    file,
    context: {
      globals: { json: false, quiet: false, verbose: false, color: false },
      signal: AbortSignal.timeout(60_000),
      interactive: false,
      output: process.stdout,
      columns: undefined,
      progress: { mode: 'quiet', stream: process.stderr, verbose: false, color: false },
      color: false,
      env: { HOME: temp.path },
      cwd: temp.path,
      now: () => new Date(),
    },
  }
}

const OLD = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFQPNH7IOI2Tta73Udi8YOHbmcM69a+r1ovlbZdaCSxG'

it('writes a hashed name where OpenSSH would', async () => {
  await using temp = await tempDir()
  const { context, file } = await prepare(temp, '')
  await mkdir(join(home.path, '.ssh'))
  await writeFile(join(home.path, '.ssh', 'config'), 'HashKnownHosts yes\n')
  try {
    await hostsTrust(context, ['prod'], { fingerprint: real })
  } finally {
    await rm(join(home.path, '.ssh'), { recursive: true })
  }
  expect(await readFile(file, 'utf8')).toMatch(/^\|1\|/)
  expect((await hostsList(context)).text).toContain(real)
})

it('trusts a key whose fingerprint is given, and lists it then', async () => {
  await using temp = await tempDir()
  const { context, file } = await prepare(temp, '')
  expect((await hostsList(context)).text).toContain('Next: relay-backup hosts trust prod')
  const { text } = await hostsTrust(context, ['prod'], { fingerprint: real })
  expect(text).toContain(`prod: trusted ssh-ed25519 ${real}`)
  expect(await readFile(file, 'utf8')).toBe(`[127.0.0.1]:${sshd.port} ${sshd.hostPublicKeys[0]}\n`)
  expect((await hostsList(context)).json).toMatchObject({
    hosts: [{ host: 'prod', address: `ubuntu@127.0.0.1:${sshd.port}`, keys: [{ fingerprint: real }] }],
  })
  expect((await hostsTrust(context, ['prod'], {})).text).toContain('already trusted')
})

it('trusts nothing when nobody can be asked, and says how', async () => {
  await using temp = await tempDir()
  const { context, file } = await prepare(temp, '')
  await expect(hostsTrust(context, ['prod'], {})).rejects.toMatchObject({
    code: 'usage',
    details: { next: expect.stringContaining(`hosts trust prod --fingerprint ${real}`) as unknown },
  })
  expect(await readFile(file, 'utf8')).toBe('')
})

it('trusts nothing when the fingerprint differs', async () => {
  await using temp = await tempDir()
  const { context, file } = await prepare(temp, '')
  const other = `SHA256:${'A'.repeat(43)}`
  await expect(hostsTrust(context, ['prod'], { fingerprint: other })).rejects.toMatchObject({
    problem: 'host-key-unknown',
    message: expect.stringContaining(real) as unknown,
  })
  await expect(hostsTrust(context, ['prod'], { fingerprint: 'SHA256:short' })).rejects.toMatchObject({
    code: 'usage',
  })
  expect(await readFile(file, 'utf8')).toBe('')
})

it('replaces a changed key only for a matching fingerprint, and keeps the old file', async () => {
  await using temp = await tempDir()
  const before = `[127.0.0.1]:${sshd.port} ${OLD}\n`
  const { context, file } = await prepare(temp, before)
  await expect(hostsTrust(context, ['prod'], {})).rejects.toThrow(/HAS CHANGED/)
  expect(await readFile(file, 'utf8')).toBe(before)
  const { text } = await hostsTrust(context, ['prod'], { fingerprint: real })
  expect(text).toContain('in place of the old key')
  expect(await readFile(file, 'utf8')).toBe(`[127.0.0.1]:${sshd.port} ${sshd.hostPublicKeys[0]}\n`)
  expect(await readFile(`${file}.old`, 'utf8')).toBe(before)
})

it('never trusts a revoked key', async () => {
  await using temp = await tempDir()
  const { context } = await prepare(
    temp,
    `@revoked * ${sshd.hostPublicKeys[0]}\n@revoked [127.0.0.1]:* ${sshd.hostPublicKeys[0]}\n`,
  )
  await expect(hostsTrust(context, ['prod'], { fingerprint: real })).rejects.toMatchObject({
    problem: 'host-key-revoked',
  })
})

it('trusts a host that no config names', async () => {
  await using temp = await tempDir()
  const home = process.env['HOME']
  process.env['HOME'] = temp.path
  try {
    const { context } = await prepare(temp, '')
    const target = `ubuntu@127.0.0.1:${sshd.port}`
    const outcome = await hostsTrust({ ...context, cwd: '/' }, [target], { fingerprint: real })
    expect(outcome.text).toContain(join(temp.path, '.ssh', 'known_hosts'))
  } finally {
    process.env['HOME'] = home
  }
})
