import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { systemKeychain } from '../../../src/secrets/keychain.ts'
import type { KeychainStore } from '../../../src/secrets/keychain.ts'
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
