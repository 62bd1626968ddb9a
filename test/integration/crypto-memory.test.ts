import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { generateIdentity } from '../../src/crypto/generate-identity.ts'

const CHILD = join(import.meta.dirname, 'crypto-memory-child.ts')
let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'crypto-memory-'))
  const { publicKey, privateKey } = await generateIdentity({
    name: 'memory',
    now: new Date(Date.now() - 1000),
  })
  await writeFile(join(dir, 'pub'), publicKey)
  await writeFile(join(dir, 'key'), privateKey, { mode: 0o600 })
})
afterAll(() => rm(dir, { recursive: true }))

test.each([
  ['that GnuPG 2.2 reads', false],
  ['with AEAD', true],
])('memory does not grow with the message %s', async (_name, aead) => {
  const config = JSON.stringify({
    mode: 'recipients',
    recipients: [join(dir, 'pub')],
    identity: { file: join(dir, 'key') },
    aead,
    allowUnauthenticatedStream: false,
  })
  for (const direction of ['encrypt', 'decrypt']) {
    const args = [CHILD, direction, config, join(dir, 'message')]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    const { mebibytes, bytes } = JSON.parse(stdout) as { mebibytes: number; bytes: number }
    expect(bytes, direction).toBe(512 * 1024 * 1024)
    expect(mebibytes, direction).toBeLessThan(250)
  }
})
