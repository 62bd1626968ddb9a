import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { TEST_TURN } from '../lab/runner.ts'

export interface ChildResult {
  /** null when a signal ended it. */
  readonly code: number | null
  readonly timedOut: boolean
  readonly output: string
}

/**
 * Runs Node with these arguments, in a process group of its own that ends with it: a test that hangs leaves no
 * servers behind. `limit` is in milliseconds.
 */
export async function runNode(
  cwd: string,
  args: readonly string[],
  limit: number,
  signal: AbortSignal,
): Promise<ChildResult> {
  signal.throwIfAborted()
  // A fault must be noticed within two commits. A soak's long forms are for sound code.
  const env: NodeJS.ProcessEnv = { ...process.env, CI: '', [TEST_TURN]: 'all' }
  delete env['SOAK']
  const child = spawn(process.execPath, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const pieces: string[] = []
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => pieces.push(text))
  let timedOut = false
  const killGroup = () => {
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // All of it has ended.
    }
  }
  const timer = setTimeout(() => {
    timedOut = true
    killGroup()
  }, limit)
  signal.addEventListener('abort', killGroup)
  try {
    const [code] = (await once(child, 'exit')) as [number | null]
    signal.throwIfAborted()
    return { code, timedOut, output: pieces.join('') }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', killGroup)
    killGroup()
  }
}
