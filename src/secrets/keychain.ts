import { spawn } from 'node:child_process'
import { isSea } from 'node:sea'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { RelayError, SecretError, SEE_CHECK } from '../errors.ts'
import { Secret } from '../model/secret.ts'

/**
 * Named texts kept by the operating system. All three reject when there is no keychain, it is locked, or it does not
 * answer, and with the signal's reason.
 */
export interface KeychainStore {
  /** undefined when there is no such entry. */
  get(service: string, account: string, signal?: AbortSignal): Promise<string | undefined>
  set(service: string, account: string, value: string): Promise<void>
  /** Whether there was such an entry. */
  delete(service: string, account: string): Promise<boolean>
}

/** ms; long enough for a person to unlock it. */
const TIMEOUT = 60_000

/**
 * The operating system's keychain. On Linux only the Secret Service counts: the kernel's keyring, to which the
 * library would fall back, forgets everything at the next start.
 */
export const systemKeychain: KeychainStore = {
  get: async (service, account, signal) =>
    ((await ask(['getPassword', service, account], signal)) as string | null | undefined) ?? undefined,
  set: async (service, account, value) => void (await ask(['setPassword', service, account, value])),
  delete: async (service, account) => (await ask(['deleteCredential', service, account])) === true,
}

/** The argument by which the single executable, started by itself, is the process that asks. */
export const KEYCHAIN_CHILD = '__keychain'

/**
 * Asks in a process of its own: the library blocks its whole process while a Secret Service does not answer (seen), and
 * such a process can only be killed.
 */
async function ask(question: readonly string[], signal?: AbortSignal, timeout = TIMEOUT): Promise<unknown> {
  signal?.throwIfAborted()
  // What they load into Node, or have it print, would see the secret or stand in the answer.
  const { NODE_OPTIONS: _options, NODE_DEBUG: _debug, ...env } = process.env
  const child = spawn(process.execPath, [isSea() ? KEYCHAIN_CHILD : childFile()], {
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
    timeout,
    killSignal: 'SIGKILL',
    ...(signal === undefined ? {} : { signal }),
  })
  // A child that died, or was ended, says so by its empty answer.
  child.on('error', () => {}).stdin.on('error', () => {})
  child.stdin.end(JSON.stringify(question))
  const said = await text(child.stdout)
  signal?.throwIfAborted()
  if (said === '') throw new Error('the keychain did not answer')
  const { answer, error } = JSON.parse(said) as { readonly answer?: unknown; readonly error?: string }
  if (error !== undefined) throw new Error(error)
  return answer
}

/** In src/ beside this file, in dist/ beside the bundle. */
function childFile(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return fileURLToPath(new URL(`keychain-child.${extension}`, import.meta.url))
}

/** Reads `service/account`. Throws SecretError that names the other forms when there is no keychain. */
export async function readKeychain(
  store: KeychainStore,
  name: string,
  signal?: AbortSignal,
): Promise<Secret | undefined> {
  const { service, account } = parseName(name)
  const value = await reached(name, () => store.get(service, account, signal))
  signal?.throwIfAborted()
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
    if (cause instanceof RelayError) throw cause
    throw new SecretError(`The keychain can't be reached here for ${name}`, {
      next: `Unlock it, or where there is none use { file: PATH }, { env: NAME } or { command: "…" } in the config.${SEE_CHECK}`,
      cause,
    })
  }
}
