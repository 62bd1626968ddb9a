import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { timerError } from './command.ts'
import type { ProgramResult, RunProgram } from './contract.ts'

/** ms; a user's systemd may have to be started first. */
const PATIENCE = 60_000

/** Runs a program of this system; its messages are English, so that they can be told apart. */
export const runProgram: RunProgram = async (
  program,
  args,
  { signal, input = '' },
): Promise<ProgramResult> => {
  signal.throwIfAborted()
  const child = spawn(program, [...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
    signal,
    timeout: PATIENCE,
  })
  const ended = new Promise<number | undefined>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve(undefined)
      else reject(error)
    })
    child.on('close', (code) => resolve(code ?? -1))
  })
  // It may end without reading.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { status, stdout, stderr }
}

/** Runs a program that must end with 0. Throws RelayError `timer` with the program's words. */
export async function runOrThrow(
  run: RunProgram,
  program: string,
  args: readonly string[],
  options: Parameters<RunProgram>[2],
  next: string,
): Promise<string> {
  const { status, stdout, stderr } = await run(program, args, options)
  if (status === 0) return stdout
  const what = [program, ...args].join(' ')
  throw timerError(
    status === undefined ? `There is no ${program} on this machine` : `${what} ended with ${status}`,
    next,
    { stderr: stderr.trim() || stdout.trim() },
  )
}
