import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { loadScript } from '../../src/remote/scripts.ts'
import { descendants } from '../lab/sshd.ts'
import { tempDir } from '../lab/temp.ts'

// What a leased script may be doing when its client goes.
const SCRIPT = `
undo() {
  printf 'undo %s\\n' "$changed" >>"$log"
  echo undoing
  sleep 0.2
  echo undone >>"$log"
}
work() {
  log=$1
  changed=nothing
  lease_next
  changed=$line
  echo ready
  while lease_next; do
    case $line in
      busy) lease_sleep 30 ;;
      block) sleep 1 ;;
      shout) sleep 0.3; echo shouted ;;
      leave) exit 5 ;;
      slip) echo "$no_such_variable" ;;
      *) printf 'got <%s>\\n' "$line" ;;
    esac
  done
}
lease_run work undo "$@"
`

interface Running extends AsyncDisposable {
  readonly child: ChildProcess
  write(...lines: string[]): void
  said(): string
  /** Waits until the script has said this. */
  says(text: string): Promise<void>
  /** What undo wrote, once the script has ended. */
  end(): Promise<{ readonly status: number | null; readonly log: string }>
}

/** Runs the script with the lease library under one shell, with three seconds of patience. */
async function start(shell: string): Promise<Running> {
  const temp = await tempDir()
  const library = (await loadScript('remote/lock')).split('\nlock=\nnote=\n')[0] ?? ''
  const file = join(temp.path, 'script.sh')
  const log = join(temp.path, 'log')
  await mkdir(temp.path, { recursive: true })
  await writeFile(file, `${library}\n${SCRIPT}`)
  await writeFile(log, '')
  const [program = '', ...args] = shell.split(' ')
  const child = spawn(program, [...args, file, '3', log], { detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stdin.on('error', () => {})
  child.stderr.resume()
  const exited = once(child, 'exit') as Promise<[number | null]>
  const running: Running = {
    child,
    write: (...lines) => child.stdin.write(lines.map((line) => `${line}\n`).join('')),
    said: () => output,
    async says(text) {
      while (!output.includes(text)) {
        if (child.exitCode !== null) throw new Error(`it ended; it said: ${output}`)
        await sleep(10)
      }
    },
    async end() {
      const [status] = await exited
      // The work may outlive the shell that was killed.
      while ((await groupOf(child)).length > 0) await sleep(20)
      return { status, log: await readFile(log, 'utf8') }
    },
    async [Symbol.asyncDispose]() {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has ended, and all of its group.
      }
      await exited
      await temp[Symbol.asyncDispose]()
    },
  }
  return running
}

/** Processes of the script's own session that are alive, but for the ticker's last sleep. */
async function groupOf(child: ChildProcess): Promise<number[]> {
  const found: number[] = []
  for (const pid of await descendants([1])) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(fields[2]) === child.pid && fields[0] !== 'Z') found.push(pid)
  }
  return found
}

describe.each(['dash', 'bash', 'busybox sh'])('a leased script under %s', { concurrent: true }, (shell) => {
  it('undoes once at the release, and ends with its own status', async () => {
    await using script = await start(shell)
    script.write(' a secret \\n ', 'beat', 'hello', 'release')
    const { status, log } = await script.end()
    expect(log).toBe('undo  a secret \\n \nundone\n')
    expect(script.said()).toBe('ready\ngot <hello>\nundoing\n')
    expect(status).toBe(0)
  })

  it.each(['idle', 'busy', 'block'])('undoes at end of file while %s', async (state) => {
    await using script = await start(shell)
    script.write('x', 'beat', state)
    await script.says('ready')
    script.child.stdin?.end()
    const { status, log } = await script.end()
    expect(log).toBe('undo x\nundone\n')
    expect(status).toBe(91)
  })

  it.each(['idle', 'busy'])('undoes after silence while %s', async (state) => {
    await using script = await start(shell)
    script.write('x', 'beat', state)
    const { status, log } = await script.end()
    expect(log).toBe('undo x\nundone\n')
    expect(status).toBe(91)
  })

  it('goes on for as long as it hears a beat', async () => {
    await using script = await start(shell)
    script.write('x', 'busy')
    for (let beats = 0; beats < 12; beats += 1) {
      script.write('beat')
      await sleep(500)
    }
    expect(script.said()).toBe('ready\n')
    script.write('release')
    script.child.stdin?.end()
    expect((await script.end()).log).toBe('undo x\nundone\n')
  })

  it.each(['SIGHUP', 'SIGINT', 'SIGTERM'] as const)(
    'undoes at %s to all of it, twice sent',
    async (signal) => {
      await using script = await start(shell)
      script.write('x', 'beat')
      await script.says('ready')
      process.kill(-(script.child.pid ?? 0), signal)
      await script.says('undoing').catch(() => {})
      try {
        process.kill(-(script.child.pid ?? 0), signal)
      } catch {
        // Fast enough to have ended.
      }
      expect((await script.end()).log).toBe('undo x\nundone\n')
    },
  )

  it('undoes when its first shell was killed', async () => {
    await using script = await start(shell)
    script.write('x', 'beat')
    await script.says('ready')
    script.child.kill('SIGKILL')
    script.child.stdin?.end()
    expect((await script.end()).log).toBe('undo x\nundone\n')
  })

  it('undoes when nobody reads what it says', async () => {
    await using script = await start(shell)
    script.write('x', 'beat', 'shout')
    await script.says('ready')
    script.child.stdout?.destroy()
    const { log } = await script.end()
    expect(log).toBe('undo x\nundone\n')
  })

  it.each([
    ['leave', 5],
    ['slip', shell === 'bash' ? 1 : 2],
  ])('undoes when work ends by itself: %s', async (line, expected) => {
    await using script = await start(shell)
    script.write('x', 'beat', line)
    const { status, log } = await script.end()
    expect(log).toBe('undo x\nundone\n')
    expect(status).toBe(expected)
  })
})
