import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { checkHostKey, fingerprint, parseKnownHosts } from '../../src/remote/known-hosts.ts'
import { addKnownHost } from '../../src/remote/known-hosts-file.ts'
import { tempDir } from '../lab/temp.ts'

const run = promisify(execFile)

// Public keys made for these tests; their private halves were thrown away.
const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFQPNH7IOI2Tta73Udi8YOHbmcM69a+r1ovlbZdaCSxG'
const OTHER = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILOLAN69HxiV1pC2tUlnZek9QErxUoEI0PBiyddFmVbE'
const ECDSA =
  'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBBJPQSs9woBU6fjYGpVAvGtgfNFoGFB8fMWT8ddOVcxIF3CdlRdtfr8Tn8vj9fPvYCb3v5ZZ4KAKjRRaYOC72bk='

const blob = (line: string) => Buffer.from(line.split(' ')[1] ?? '', 'base64')
const check = (text: string, host: string, port: number, key: string) =>
  checkHostKey(parseKnownHosts(text, 'known_hosts'), host, port, blob(key))

it('matches names that ssh-keygen hashed', async () => {
  await using temp = await tempDir()
  const file = join(temp.path, 'known_hosts')
  await writeFile(file, `relay.example.com ${ED25519}\n[relay.example.com]:2222 ${OTHER}\n`)
  await run('ssh-keygen', ['-q', '-H', '-f', file])
  const text = await readFile(file, 'utf8')
  expect(text).not.toContain('relay')
  expect(check(text, 'relay.example.com', 22, ED25519).status).toBe('ok')
  expect(check(text, 'relay.example.com', 2222, OTHER).status).toBe('ok')
  expect(check(text, 'relay.example.com', 2222, ED25519).status).toBe('changed')
  expect(check(text, 'elsewhere.example.com', 22, ED25519).status).toBe('unknown')
})

it('prints fingerprints as ssh-keygen does', async () => {
  await using temp = await tempDir()
  const file = join(temp.path, 'key.pub')
  await writeFile(file, `${ECDSA}\n`)
  const { stdout } = await run('ssh-keygen', ['-l', '-f', file])
  expect(stdout).toContain(` ${fingerprint(blob(ECDSA))} `)
})

it('hashes where others are hashed, so that ssh-keygen finds it', async () => {
  await using temp = await tempDir()
  const file = join(temp.path, 'known_hosts')
  await writeFile(file, `other ${OTHER}\n`)
  await run('ssh-keygen', ['-q', '-H', '-f', file])
  await addKnownHost(file, 'host', 2222, [blob(ED25519)])
  expect(await readFile(file, 'utf8')).not.toContain('host')
  const { stdout } = await run('ssh-keygen', ['-F', '[host]:2222', '-f', file])
  expect(stdout).toContain(ED25519.split(' ')[1])
})
