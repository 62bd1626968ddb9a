import type { KeychainStore } from '../../../src/secrets/keychain.ts'

/** A keychain that lasts as long as the test. */
export function memoryKeychain(): KeychainStore {
  const entries = new Map<string, string>()
  const key = (service: string, account: string) => JSON.stringify([service, account])
  return {
    get: async (service, account) => entries.get(key(service, account)),
    set: async (service, account, value) => void entries.set(key(service, account), value),
    delete: async (service, account) => entries.delete(key(service, account)),
  }
}
