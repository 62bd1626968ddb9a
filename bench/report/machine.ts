import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'

/** What the numbers depend on, as lines for people, at the end of the run. */
export function describeMachine(): string[] {
  const system = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux'
  const gibibytes = Math.round(totalmem() / 1024 ** 3)
  return [
    `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'CPU'}, ${gibibytes} GiB of memory, ${system}, Linux ${release()}`,
    `load average of the last 15 minutes: ${loadavg()[2]?.toFixed(1)}, the bench itself makes 1 to 2`,
    `Node ${process.versions.node}, relay-backup at ${firstLine('git', 'describe', '--always', '--dirty')}`,
    [
      firstLine('ssh', '-V').replace(/,.*/, ''),
      firstLine('gpg', '--version'),
      firstLine('zstd', '--version').replace(/^.*(v[\d.]+).*$/, 'zstd $1'),
      firstLine('rsync', '--version').replace(/ +protocol.*/, ''),
      firstLine('restic', 'version').replace(/ compiled.*/, ''),
      firstLine('borg', '--version'),
    ].join(', '),
  ]
}

/** Of stdout, or of stderr where a program says its version there. */
function firstLine(program: string, ...args: string[]): string {
  const text = execFileSync('sh', ['-c', 'exec "$@" 2>&1', 'sh', program, ...args], {
    encoding: 'utf8',
    cwd: import.meta.dirname,
  })
  return text.split('\n')[0] ?? ''
}
