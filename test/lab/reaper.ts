// Started beside the tests with their temporary folder as its argument. When its stdin ends, because the run is over
// or was killed, it ends every process that has to do with the folder, unmounts what is mounted below, and removes it.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const folder = process.argv[2] ?? ''
if (!/\/rb-[^/]+$/.test(folder)) throw new Error(`not a folder of a test run: ${folder}`)
const below = `${folder}/`

// A Ctrl-C at the terminal is for the run; what is left of it is for this process.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {})

let said = ''
for await (const chunk of process.stdin) said += String(chunk)

// What a script on the server waits with may have a second to go.
for (let tries = 0; tries < 30 && processes().length > 0; tries += 1) await sleep(100)
const left = processes()
if (left.length > 0 && said.startsWith('done')) {
  process.stderr.write(`Still running after the tests, and ended now:\n${left.map(describe).join('\n')}\n`)
}
for (const name of ['SIGTERM', 'SIGKILL'] as const) {
  for (const pid of processes()) kill(pid, name)
  for (let tries = 0; tries < 50 && processes().length > 0; tries += 1) await sleep(100)
}
for (const path of mounts()) {
  try {
    execFileSync('umount', ['-l', path], { stdio: 'ignore' })
  } catch {
    // It went with another.
  }
}
rmSync(folder, { recursive: true, force: true, maxRetries: 5 })

/** Processes whose arguments, program or directory lie below the folder. */
function processes(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && concerns(pid))
}

function concerns(pid: number): boolean {
  const read = (look: () => string) => {
    try {
      return look()
    } catch {
      // It has ended, or is the kernel's.
      return ''
    }
  }
  return (
    read(() => readFileSync(`/proc/${pid}/cmdline`, 'latin1')).includes(below) ||
    `${read(() => readlinkSync(`/proc/${pid}/cwd`))}/`.startsWith(below)
  )
}

function describe(pid: number): string {
  try {
    return `  ${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').slice(0, 200)}`
  } catch {
    return `  ${pid}`
  }
}

function kill(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended.
  }
}

function mounts(): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, digits: string) =>
        String.fromCharCode(parseInt(digits, 8)),
      ),
    )
    .filter((path) => path.startsWith(below))
    .reverse()
}
