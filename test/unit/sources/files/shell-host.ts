import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import type { HostProbe, RemoteCommand, RemoteHost, RemoteProcess } from '../../../../src/remote/contract.ts'
import { loadScript } from '../../../../src/remote/scripts.ts'

export interface ShellHostOptions {
  /** The shell that runs the scripts: `['dash']`, `['/bin/busybox', 'sh']`. */
  readonly shell: readonly string[]
  /** The whole PATH. */
  readonly path?: string
  /** Run as this user, with no other groups. */
  readonly uid?: number
}

/** This machine as a server: scripts run in a local shell. It knows no leases and no TCP. */
export function shellHost(options: ShellHostOptions): RemoteHost {
  async function start(command: RemoteCommand): Promise<ChildProcessWithoutNullStreams> {
    const script = await loadScript(command.script)
    const argv = [...options.shell, '-c', script, 'relay-backup', ...(command.args ?? [])]
    const user =
      options.uid === undefined
        ? []
        : ['/usr/bin/setpriv', `--reuid=${options.uid}`, `--regid=${options.uid}`, '--clear-groups', '--']
    const [file = 'sh', ...args] = [...user, ...argv]
    return spawn(file, args, { cwd: '/', env: { PATH: options.path ?? process.env['PATH'] ?? '' } })
  }

  const host: RemoteHost = {
    name: 'local',
    async run(command, { stdin, signal }) {
      const running = await host.spawn(command, { signal })
      running.stdin.on('error', () => {})
      running.stdin.end(stdin)
      const chunks: Buffer[] = []
      for await (const chunk of running.stdout) chunks.push(chunk as Buffer)
      return { ...(await running.exit), stdout: Buffer.concat(chunks) }
    },
    async spawn(command): Promise<RemoteProcess> {
      const child = await start(command)
      let stderr = ''
      child.stderr.on('data', (chunk: Buffer) => {
        stderr = (stderr + chunk.toString()).slice(0, 64 * 1024)
      })
      return {
        stdin: child.stdin,
        stdout: child.stdout,
        exit: new Promise((resolve, reject) => {
          child.once('error', reject)
          child.once('close', (code) => resolve({ status: code ?? 137, stderr }))
        }),
        kill: () => {
          child.stdout.destroy()
          child.stderr.destroy()
          child.kill('SIGKILL')
        },
      }
    },
    lease: () => Promise.reject(new Error('no leases here')),
    allow: () => Promise.resolve(),
    silence: () => 60_000,
    connectTcp: () => Promise.reject(new Error('no TCP here')),
    openFiles: () => Promise.reject(new Error('no SFTP here')),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
  return host
}

/** A probe as of such a server. */
export function probeOf(deployment: string, changes: Partial<HostProbe> = {}): HostProbe {
  return {
    access: 'shell',
    os: 'Linux',
    kernel: '6',
    arch: 'x86_64',
    uid: 0,
    user: 'root',
    home: '/root',
    cpus: 2,
    deployment,
    deploymentWritable: true,
    freeBytes: undefined,
    existing: new Set(),
    tar: 'gnu',
    versions: { zstd: '1.5.4' },
    findPrintf: true,
    openJournals: [],
    quiesced: [],
    groups: [],
    ...changes,
  }
}
