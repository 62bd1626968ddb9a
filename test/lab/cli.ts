import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const BIN = join(import.meta.dirname, '../../bin/relay-backup.js')

export interface CliResult {
  /** 128 + n when signal n ended it. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunningCli {
  readonly child: ChildProcess
  readonly result: Promise<CliResult>
  /** stderr so far. */
  stderr(): string
}

/** Starts the built program as a user would, without a terminal. */
export function startCli(
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Record<string, string>; readonly input?: string },
): RunningCli {
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd: options.cwd,
    env: {
      ...process.env,
      CI: '',
      RELAY_BACKUP_CONFIG: '',
      XDG_STATE_HOME: join(options.cwd, 'state'),
      ...options.env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.end(options.input ?? '')
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const result = new Promise<CliResult>((resolve) => {
    child.once('close', (code, signal) =>
      resolve({ code: code ?? (signal === 'SIGKILL' ? 137 : 143), stdout, stderr }),
    )
  })
  return { child, result, stderr: () => stderr }
}

/** Waits for it, and watches the highest resident memory that the kernel has seen of it, in bytes. */
export async function watchCli({
  child,
  result,
}: RunningCli): Promise<CliResult & { readonly peak: number }> {
  let peak = 0
  while (child.exitCode === null && child.signalCode === null) {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
    peak = Math.max(peak, Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024)
    await sleep(20)
  }
  return { ...(await result), peak }
}

/** Runs the built program to its end. */
export function runCli(...parameters: Parameters<typeof startCli>): Promise<CliResult> {
  return startCli(...parameters).result
}
