import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { text } from 'node:stream/consumers'
import type { Decryptor } from './contract.ts'
import { messageDamage } from './damage.ts'
import { gpgProblem, notOpened, STDERR_SHOWN } from './gnupg-failures.ts'

/**
 * Opens messages by the user's own gpg, so that keys in its agent or on a card never leave them. gpg asks for
 * a passphrase by its own means. Its exit status and its DECRYPTION_OKAY must both be there.
 */
export function gnuPGDecryptor(keyId: string, signal: AbortSignal): Decryptor {
  return {
    decrypt: async (message) => {
      const plain = runGpg(keyId, message, signal)
      const output = Readable.from(plain, { objectMode: false, highWaterMark: 256 * 1024 })
      return output.once('close', () => message.destroy())
    },
  }
}

async function* runGpg(keyId: string, message: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  signal.throwIfAborted()
  const args = ['--batch', '--no-tty', '--status-fd', '3', '--try-secret-key', keyId, '--decrypt']
  const child = spawn('gpg', args, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'], signal })
  const closed = once(child, 'close').then(([status]) => status as number | null)
  closed.catch(() => {}) // The rejection is handled below, after the output.
  // gpg may stop reading early (no key, damage). Its messages and its exit status say why; EPIPE does not.
  const fed = pipeline(message, child.stdin).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => (error.code === 'EPIPE' ? undefined : error),
  )
  const statusLines = text(child.stdio[3] as Readable)
  const stderr = text(child.stderr)
  try {
    yield* child.stdout as AsyncIterable<Buffer>
    const [status, lines, words, feedError] = await Promise.all([closed, statusLines, stderr, fed])
    if (feedError !== undefined) throw feedError
    if (status !== 0 || !hasStatus(lines, 'DECRYPTION_OKAY')) throw failure(keyId, status, lines, words)
  } catch (error) {
    throw gpgProblem(error, keyId)
  } finally {
    child.kill()
    message.destroy()
    await Promise.allSettled([closed, statusLines, stderr, fed])
  }
}

function hasStatus(lines: string, keyword: string): boolean {
  return new RegExp(`^\\[GNUPG:\\] ${keyword}\\b`, 'm').test(lines)
}

/** What gpg's status lines mean (GnuPG's doc/DETAILS). Once gpg has the session key, only damage can make it fail. */
function failure(keyId: string, status: number | null, lines: string, words: string): Error {
  const details = { exitStatus: status ?? undefined, stderr: words.slice(-STDERR_SHOWN), command: 'gpg' }
  const hadSessionKey = hasStatus(lines, 'DECRYPTION_KEY') || hasStatus(lines, 'DECRYPTION_INFO')
  if (hadSessionKey || !hasStatus(lines, 'ENC_TO'))
    return messageDamage('mdc', 'gpg can not read it to its end').withDetails(details)
  return notOpened(keyId, details)
}
