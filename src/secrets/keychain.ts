import { SecretError } from '../errors.ts'
import { Secret } from '../model/secret.ts'

/** Named texts kept by the operating system. All three reject when there is no keychain or it is locked. */
export interface KeychainStore {
  /** undefined when there is no such entry. */
  get(service: string, account: string): Promise<string | undefined>
  set(service: string, account: string, value: string): Promise<void>
  /** Whether there was such an entry. */
  delete(service: string, account: string): Promise<boolean>
}

/**
 * The operating system's keychain. On Linux only the Secret Service counts: the kernel's keyring, to which the
 * library would fall back, forgets everything at the next start.
 */
export const systemKeychain: KeychainStore = {
  get: async (service, account) => (await (await entry(service, account)).getPassword()) ?? undefined,
  set: async (service, account, value) => (await entry(service, account)).setPassword(value),
  delete: async (service, account) => (await entry(service, account)).deleteCredential(),
}

// The module is loaded only when it is needed: it is native, and most runs need no keychain.
async function entry(service: string, account: string) {
  const { AsyncEntry } = await import('@napi-rs/keyring')
  return new AsyncEntry(service, account, { linux: { store: 'secret-service' } })
}

/** Reads `service/account`. Throws SecretError that names the other forms when there is no keychain. */
export async function readKeychain(store: KeychainStore, name: string): Promise<Secret | undefined> {
  const { service, account } = parseName(name)
  const value = await reached(name, () => store.get(service, account))
  return value === undefined ? undefined : new Secret(value)
}

export async function writeKeychain(store: KeychainStore, name: string, value: Secret): Promise<void> {
  const { service, account } = parseName(name)
  await reached(name, () => store.set(service, account, value.reveal()))
}

/** Whether there was such an entry. */
export async function deleteFromKeychain(store: KeychainStore, name: string): Promise<boolean> {
  const { service, account } = parseName(name)
  return await reached(name, () => store.delete(service, account))
}

/** `service/account`; the account may hold further slashes. */
function parseName(name: string): { readonly service: string; readonly account: string } {
  const slash = name.indexOf('/')
  if (slash <= 0 || slash === name.length - 1)
    throw new SecretError(`The keychain name '${name}' is not of the form service/account`, {
      next: 'Write it like relay-backup/identity',
    })
  return { service: name.slice(0, slash), account: name.slice(slash + 1) }
}

async function reached<T>(name: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (cause) {
    throw new SecretError(`The keychain can't be reached here for ${name}`, {
      next: 'Unlock it, or where there is none use { file: PATH }, { env: NAME } or { command: "…" } in the config',
      cause,
    })
  }
}
