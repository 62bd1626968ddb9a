import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { systemKeychain } from '../../../src/secrets/keychain.ts'
import type { KeychainStore } from '../../../src/secrets/keychain.ts'
import { tempDir } from '../../lab/temp.ts'
import { memoryKeychain } from './memory-keychain.ts'

/** What every keychain must do; the system's is asked where there is one. */
const implementations: [string, KeychainStore, boolean][] = [
  ['in memory', memoryKeychain(), true],
  ["the system's", systemKeychain, await reachable()],
]

async function reachable(): Promise<boolean> {
  return await systemKeychain.get('relay-backup-test', 'none').then(
    () => true,
    () => false,
  )
}

describe.each(implementations)('a keychain %s', (_name, store, there) => {
  if (!there) {
    test('that is not there rejects', async () => {
      await expect(store.get('a', 'b')).rejects.toThrow()
      await expect(store.set('a', 'b', 'c')).rejects.toThrow()
      await expect(store.delete('a', 'b')).rejects.toThrow()
    })
    return
  }
  test('keeps, replaces and forgets a text', async () => {
    const account = randomUUID()
    expect(await store.get('relay-backup-test', account)).toBeUndefined()
    await store.set('relay-backup-test', account, 'one')
    await store.set('relay-backup-test', account, 'zwei ✓ \n')
    expect(await store.get('relay-backup-test', account)).toBe('zwei ✓ \n')
    expect(await store.get('relay-backup-other', account)).toBeUndefined()
    expect(await store.delete('relay-backup-test', account)).toBe(true)
    expect(await store.delete('relay-backup-test', account)).toBe(false)
  })
})

test('what NODE_OPTIONS loads is not loaded by the process that asks the keychain', async () => {
  await using temp = await tempDir('keychain-')
  const loaded = join(temp.path, 'loaded')
  const module = join(temp.path, 'preload.cjs')
  await writeFile(module, `require('node:fs').writeFileSync(${JSON.stringify(loaded)}, '')`)
  vi.stubEnv('NODE_OPTIONS', `--require ${module}`)
  try {
    await systemKeychain.get('relay-backup-test', 'none').catch(() => undefined)
  } finally {
    vi.unstubAllEnvs()
  }
  expect(existsSync(loaded)).toBe(false)
})

test.runIf(process.platform === 'linux')(
  'a keychain that never answers is left alone at the signal',
  async () => {
    await using temp = await tempDir('keychain-')
    const bus = join(temp.path, 'bus')
    const server = createServer().listen(bus)
    const before = process.env['DBUS_SESSION_BUS_ADDRESS']
    process.env['DBUS_SESSION_BUS_ADDRESS'] = `unix:path=${bus}`
    try {
      const controller = new AbortController()
      const asked = systemKeychain.get('relay-backup-test', 'none', controller.signal)
      const [socket] = (await once(server, 'connection')) as [Socket]
      controller.abort(new Error('enough'))
      await expect(asked).rejects.toThrow('enough')
      socket.destroy()
    } finally {
      if (before === undefined) delete process.env['DBUS_SESSION_BUS_ADDRESS']
      else process.env['DBUS_SESSION_BUS_ADDRESS'] = before
      server.close()
    }
  },
)
