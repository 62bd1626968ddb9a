import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A real GnuPG with a home of its own and one key pair without a passphrase. */
export interface LabGpg extends AsyncDisposable {
  readonly home: string
  /** Armored files. */
  readonly publicKey: string
  readonly privateKey: string
  readonly env: Record<string, string>
}

/** Makes the key pair in `directory/gnupg`. */
export async function startGpg(directory: string): Promise<LabGpg> {
  const home = join(directory, 'gnupg')
  await mkdir(home, { mode: 0o700 })
  const env = { ...process.env, GNUPGHOME: home } as Record<string, string>
  const gpg = (...args: string[]) =>
    run('gpg', ['--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', '', ...args], { env })
  await gpg('--quick-generate-key', 'lab <lab@example.com>', 'ed25519', 'cert,sign', 'never')
  const { stdout } = await gpg('--list-keys', '--with-colons')
  const fingerprint = /^fpr:+([0-9A-F]+):/m.exec(stdout)?.[1] ?? ''
  await gpg('--quick-add-key', fingerprint, 'cv25519', 'encr', 'never')
  const publicKey = join(directory, 'lab.pub.asc')
  const privateKey = join(directory, 'lab.key.asc')
  await writeFile(publicKey, (await gpg('--armor', '--export')).stdout)
  await writeFile(privateKey, (await gpg('--armor', '--export-secret-keys')).stdout, { mode: 0o600 })
  return {
    home,
    publicKey,
    privateKey,
    env,
    async [Symbol.asyncDispose]() {
      await run('gpgconf', ['--kill', 'all'], { env }).catch(() => undefined)
    },
  }
}
