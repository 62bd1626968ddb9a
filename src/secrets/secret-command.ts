import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { SecretError } from '../errors.ts'
import { Secret } from '../model/secret.ts'
import { withoutNewline } from './secret-file.ts'

/** ms; long enough for a person to unlock a password manager. */
const TIMEOUT = 60_000
const STDERR_SHOWN = 2000

/**
 * The standard output of a line of shell, which may ask at the terminal. Its stderr may be shown, its stdout
 * never. Throws SecretError when it fails, prints nothing, or takes longer than `timeout` ms.
 */
export async function runSecretCommand(
  line: string,
  signal: AbortSignal,
  timeout: number = TIMEOUT,
): Promise<Secret> {
  signal.throwIfAborted()
  // In our process group, so that a password manager can ask at our terminal.
  const child = spawn('sh', ['-c', line], { stdio: ['inherit', 'pipe', 'pipe'] })
  const stop = () => {
    child.kill('SIGKILL')
    // A program that the shell started may live on and hold these streams open.
    child.stdout.destroy()
    child.stderr.destroy()
  }
  let late = false
  const timer = setTimeout(() => {
    late = true
    stop()
  }, timeout)
  signal.addEventListener('abort', stop)
  try {
    const [output, errors, [status, killedBy]] = await Promise.all([
      text(child.stdout).catch(() => ''),
      text(child.stderr).catch(() => ''),
      once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
    ])
    signal.throwIfAborted()
    const details = { command: line, exitStatus: status ?? undefined, stderr: errors.slice(-STDERR_SHOWN) }
    const next = `Try it yourself: ${line}`
    if (late)
      throw new SecretError(`The secret command took longer than ${timeout / 1000} s`, { ...details, next })
    if (status !== 0)
      throw new SecretError(`The secret command failed (${killedBy ?? `exit status ${status}`})`, {
        ...details,
        next,
      })
    const secret = withoutNewline(output)
    if (secret === '') throw new SecretError('The secret command printed nothing', { ...details, next })
    return new Secret(secret)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}
