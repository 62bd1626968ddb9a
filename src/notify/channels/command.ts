import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { Message } from '../message.ts'
import { notDelivered } from './http.ts'

const SHOWN = 200

/**
 * Gives the message to a line of sh on stdin: the subject, an empty line, the text. Throws RelayError `not-delivered` when it
 * fails, or takes longer than `timeout` ms.
 */
export async function runCommand(
  { subject, text: lines }: Message,
  line: string,
  timeout: number,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted()
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeout)])
  const child = spawn('sh', ['-c', line], { stdio: ['pipe', 'ignore', 'pipe'], detached: true })
  // The whole group: a program that the shell started would hold stderr open.
  const stop = () => {
    if (child.pid !== undefined) killGroup(child.pid)
    child.stderr.destroy()
  }
  limit.addEventListener('abort', stop, { once: true })
  child.stdin.on('error', () => {})
  child.stdin.end(`${subject}\n\n${lines}\n`)
  try {
    const [errors, [status, killedBy]] = await Promise.all([
      text(child.stderr).catch(() => ''),
      once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
    ])
    signal.throwIfAborted()
    if (limit.aborted) throw notDelivered(`the command took longer than ${timeout / 1000} s`)
    if (status === 0) return
    const said = errors.replace(/\s+/g, ' ').trim().slice(0, SHOWN)
    throw notDelivered(
      `the command failed (${killedBy ?? `exit status ${status}`})${said === '' ? '' : `: ${said}`}`,
    )
  } finally {
    limit.removeEventListener('abort', stop)
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
