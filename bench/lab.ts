import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type LabGpg, startGpg } from '../test/lab/gpg.ts'
import { type Sshd, startSshd } from '../test/lab/sshd.ts'
import { tempDir } from '../test/lab/temp.ts'
import type { Command, Sample } from './contract.ts'
import { cpuMeter } from './cpu-meter.ts'
import { measure } from './measure.ts'

const run = promisify(execFile)

/** A way to the SSH server: straight, through a relay that counts, or from behind a slow link. */
export interface Route {
  readonly host: string
  readonly port: number
  readonly knownHosts: string
  /** For OpenSSH: it knows the server as `bench`. */
  readonly sshConfig: string
  /** Put in front of a client's command. */
  readonly wrap: readonly string[]
}

/** One SSH server, one key pair, one temporary directory: what all scenarios run in. */
export interface Lab extends AsyncDisposable {
  /** For data sets, repositories and vaults. */
  readonly folder: string
  readonly sshd: Sshd
  readonly gpg: LabGpg
  /** Straight over loopback. */
  readonly route: Route
  makeRoute(name: string, host: string, port: number, wrap?: readonly string[]): Promise<Route>
  /** Waits until disk and server are at rest, then runs a command and measures it. */
  measure(command: Command, route?: Route): Promise<Sample>
}

let labs = 0

/** `sshdConfig`: further lines of sshd_config. `signal` ends what is being measured. */
export async function startLab(sshdConfig: readonly string[], signal: AbortSignal): Promise<Lab> {
  const stack = new AsyncDisposableStack()
  try {
    const { path: folder } = stack.use(await tempDir('relay-bench-'))
    const server = await cpuMeter(`relay-bench-${process.pid}-${(labs += 1)}`)
    if (server !== undefined) stack.use(server)
    // Fifty clients connect within one second.
    const sshd = stack.use(await startSshd({ config: ['MaxStartups 500', ...sshdConfig] }))
    const gpg = stack.use(await startGpg(folder))
    const pid = Number(await readFile(join(sshd.folder, 'sshd.pid'), 'utf8'))
    await server?.add(pid)
    const makeRoute = async (name: string, host: string, port: number, wrap: readonly string[] = []) => {
      const knownHosts = join(folder, `${name}.known_hosts`)
      const sshConfig = join(folder, `${name}.ssh_config`)
      await writeFile(knownHosts, sshd.hostPublicKeys.map((key) => `[${host}]:${port} ${key}\n`).join(''))
      await writeFile(
        sshConfig,
        [
          'Host bench',
          `  HostName ${host}`,
          `  Port ${port}`,
          '  User root',
          `  IdentityFile ${sshd.identityFile}`,
          '  IdentitiesOnly yes',
          `  UserKnownHostsFile ${knownHosts}`,
          '  BatchMode yes',
          '',
        ].join('\n'),
      )
      return { host, port, knownHosts, sshConfig, wrap }
    }
    const route = await makeRoute('direct', '127.0.0.1', sshd.port)
    return {
      folder,
      sshd,
      gpg,
      route,
      makeRoute,
      async measure(command, by = route) {
        signal.throwIfAborted()
        await run('sync')
        await atRest(sshd)
        const settled = { read: () => atRest(sshd).then(() => server?.read() ?? NaN) }
        return measure(command, {
          report: join(folder, 'time'),
          wrap: by.wrap,
          signal,
          server: server === undefined ? undefined : settled,
        })
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** Waits until no session is left on the server, so that its CPU belongs to one command only. */
async function atRest(sshd: Sshd): Promise<void> {
  for (let waited = 0; waited < 200; waited += 1) {
    if ((await sshd.sessions()).length === 0) return
    await sleep(25)
  }
}
