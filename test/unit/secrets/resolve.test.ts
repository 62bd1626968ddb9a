import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { RelayError, SecretError } from '../../../src/errors.ts'
import type { SecretReference } from '../../../src/model/secret.ts'
import { resolveSecret, secretResolver } from '../../../src/secrets/resolve.ts'
import { runSecretCommand } from '../../../src/secrets/secret-command.ts'
import { memoryKeychain } from './memory-keychain.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secrets-'))
})
afterEach(() => vi.unstubAllEnvs())
afterAll(() => rm(dir, { recursive: true }))

const signal = new AbortController().signal
const keychain = memoryKeychain()
const resolve = secretResolver(keychain, { TOKEN: 'from env', EMPTY: '' })
const value = async (reference: SecretReference) => (await resolve(reference, signal)).reveal()
const failure = (reference: SecretReference) =>
  resolve(reference, signal).then(
    () => expect.unreachable(),
    (error: unknown) => error as SecretError,
  )

test('a secret of the environment; an empty one or none is an error that names it', async () => {
  expect(await value({ env: 'TOKEN' })).toBe('from env')
  expect((await failure({ env: 'NOPE' })).message).toContain('NOPE is not set')
  expect((await failure({ env: 'EMPTY' })).message).toContain('EMPTY is empty')
})

describe('a secret in a file', () => {
  const file = async (content: string, mode = 0o600) => {
    const path = join(dir, `file-${mode}`)
    await writeFile(path, content)
    await chmod(path, mode)
    return path
  }

  test('loses one newline at its end and nothing else', async () => {
    expect(await value({ file: await file('  a b \n\n') })).toBe('  a b \n')
    expect(await value({ file: await file('x\r\n') })).toBe('x')
    expect(await value({ file: await file('x') })).toBe('x')
  })

  test.each([0o640, 0o604, 0o620, 0o602])('is refused with mode %o', async (mode) => {
    const path = await file('hidden words', mode)
    const error = await failure({ file: path })
    expect(error).toBeInstanceOf(SecretError)
    expect(error.details.next).toBe(`chmod 600 ${path}`)
    expect(inspect(error)).not.toContain('hidden words')
  })

  test('that is missing or empty is an error that names it', async () => {
    expect((await failure({ file: join(dir, 'none') })).message).toContain(join(dir, 'none'))
    expect((await failure({ file: await file('\n') })).message).toContain('is empty')
  })
})

describe('a secret from a command', () => {
  test('is what it prints', async () => {
    expect(await value({ command: 'printf "a b\\n"' })).toBe('a b')
  })

  test('its failure shows stderr and never stdout', async () => {
    const error = await failure({ command: 'printf 12345; echo "vault is locked" >&2; exit 7' })
    expect(error).toBeInstanceOf(SecretError)
    expect(error.details).toMatchObject({ exitStatus: 7, stderr: 'vault is locked\n' })
    expect(inspect(error.details.stderr) + error.message).not.toContain('12345')
  })

  test('that prints nothing is an error', async () => {
    expect((await failure({ command: 'true' })).message).toContain('printed nothing')
  })

  test('that hangs is ended, also when what it started keeps the pipe open', async () => {
    const error = await runSecretCommand('sleep 5 & sleep 5', signal, 100).catch((thrown: unknown) => thrown)
    expect((error as Error).message).toContain('took longer')
  })

  test('is ended by the signal', async () => {
    const controller = new AbortController()
    const running = runSecretCommand('sleep 5', controller.signal)
    controller.abort(new RelayError('interrupted', 'stop'))
    await expect(running).rejects.toThrow('stop')
  })

  test("its output is in no process's arguments", async () => {
    const path = join(dir, 'password')
    await writeFile(path, 'correct-horse-battery')
    const running = resolve({ command: `cat ${path}; sleep 0.3` }, signal)
    await new Promise((done) => setTimeout(done, 100))
    const lines = await Promise.all(
      (await readdir('/proc'))
        .filter((name) => /^\d+$/.test(name))
        .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    )
    expect(lines.some((line) => line.includes(path))).toBe(true)
    expect(lines.some((line) => line.includes('correct-horse-battery'))).toBe(false)
    expect((await running).reveal()).toBe('correct-horse-battery')
  })
})

describe('a secret of the keychain', () => {
  test('is found by service and account, which may hold slashes', async () => {
    await keychain.set('relay-backup', 'a/b', 'kept')
    expect(await value({ keychain: 'relay-backup/a/b' })).toBe('kept')
  })

  test('that is missing says how to set it', async () => {
    expect((await failure({ keychain: 'relay-backup/none' })).details.next).toBe(
      'relay-backup secret set relay-backup/none',
    )
  })

  test.each(['plain', '/account', 'service/'])('the name %s is refused', async (name) => {
    expect((await failure({ keychain: name })).message).toContain('service/account')
  })

  test('without a keychain the error names the other forms', async () => {
    vi.stubEnv('DBUS_SESSION_BUS_ADDRESS', 'unix:path=/nonexistent/bus')
    const error = await resolveSecret({ keychain: 'relay-backup/x' }, signal).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(SecretError)
    expect((error as SecretError).details.next).toMatch(/file: .*env: .*command: /)
  })
})
