import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'

/** The real gpg in a home of its own; disposing it ends its agent. */
export class Gpg implements AsyncDisposable {
  readonly home: string

  private constructor(home: string) {
    this.home = home
  }

  /** The agent's socket lies in the home: the path must stay short (108 bytes). */
  static async create(): Promise<Gpg> {
    return new Gpg(await mkdtemp(join(tmpdir(), 'gpg-')))
  }

  get env(): NodeJS.ProcessEnv {
    return { ...process.env, GNUPGHOME: this.home }
  }

  /** Runs `gpg --batch --yes …`; rejects with its stderr when it fails. */
  async run(args: readonly string[], stdin: Uint8Array | string = ''): Promise<Buffer> {
    const child = spawn('gpg', ['--batch', '--yes', '--pinentry-mode', 'loopback', ...args], {
      env: this.env,
    })
    child.stdin.on('error', () => {})
    child.stdin.end(stdin)
    const [output, errors, status] = await Promise.all([
      buffer(child.stdout),
      text(child.stderr),
      new Promise<number | null>((resolve) => child.once('close', resolve)),
    ])
    if (status !== 0) throw new Error(`gpg ${args.join(' ')}: ${status}: ${errors}`)
    return output
  }

  /** A key without passphrase; `encryption: false` leaves the encryption subkey out. Returns its fingerprint. */
  async makeKey(
    name: string,
    { encryption = true, fakedTime = '', expires = 'never' } = {},
  ): Promise<string> {
    // Each gpg begins at that time anew, so a key that took a second is of the future for the next one.
    const time = fakedTime === '' ? [] : ['--faked-system-time', fakedTime, '--ignore-time-conflict']
    const quick = [...time, '--passphrase', '', '--quick-gen-key', name]
    await this.run([...quick, 'ed25519', 'cert,sign', expires])
    const list = (await this.run([...time, '--with-colons', '--list-keys', `=${name}`])).toString()
    const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(list)![1]!
    if (encryption)
      await this.run([
        ...time,
        '--passphrase',
        '',
        '--quick-add-key',
        fingerprint,
        'cv25519',
        'encr',
        expires,
      ])
    return fingerprint
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) =>
      spawn('gpgconf', ['--kill', 'all'], { env: this.env, stdio: 'ignore' }).once('close', resolve),
    )
    await rm(this.home, { recursive: true, force: true })
  }
}
