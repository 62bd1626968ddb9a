import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { gpgProblem, notOpened, STDERR_SHOWN } from './gnupg-failures.ts'
import type { SessionKey } from './session-key.ts'

/** Ciphers by their number (RFC 9580 section 9.3), as openpgp.js names them. */
const CIPHERS: Readonly<Record<string, string>> = { 7: 'aes128', 8: 'aes192', 9: 'aes256' }

/**
 * The session key of a message by the user's own gpg, which tells it on its status channel (`--show-session-key`). The
 * message may end after the first bytes of its body: gpg opens the key before it reads on, and its exit status says
 * nothing. Throws KeyError when gpg does not open it.
 */
export async function gnuPGSessionKey(
  keyId: string,
  message: Uint8Array,
  signal: AbortSignal,
): Promise<SessionKey> {
  const args = ['--batch', '--no-tty', '--status-fd', '3', '--show-session-key']
  const child = spawn('gpg', [...args, '--try-secret-key', keyId, '--decrypt'], {
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    signal,
  })
  const closed = once(child, 'close')
  closed.catch(() => {}) // met below
  const stdin = child.stdio[0] as Writable
  stdin.on('error', () => {}) // gpg may stop reading early
  stdin.end(message)
  try {
    const [status, stderr] = await Promise.all([
      text(child.stdio[3] as Readable),
      text(child.stdio[2] as Readable),
      closed,
    ])
    const [, cipher = '', key = ''] = /^\[GNUPG:\] SESSION_KEY (\d+):([0-9A-F]+)$/m.exec(status) ?? []
    const algorithm = CIPHERS[cipher]
    if (algorithm !== undefined) return { algorithm, data: Buffer.from(key, 'hex') }
    // gpg tells the session key here, too, when it has it.
    const said = stderr.replaceAll(/session key: .*/g, 'session key: [secret]')
    throw notOpened(keyId, { stderr: said.slice(-STDERR_SHOWN) })
  } catch (error) {
    throw gpgProblem(error, keyId)
  } finally {
    child.kill()
  }
}
