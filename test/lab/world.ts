import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { type CliResult, type RunningCli, runCli, startCli } from './cli.ts'
import { type LabGpg, startGpg } from './gpg.ts'
import { type LabRedis, type RedisOptions, startRedis } from './redis.ts'
import { type Sshd, type SshdOptions, startSshd } from './sshd.ts'
import { tempDir } from './temp.ts'

const run = promisify(execFile)

/** Everything that a user of relay-backup has: a workstation directory, a server with an app, keys, a config. */
export interface World extends AsyncDisposable {
  /** The workstation's directory: hosts.yaml, keys, vault, state. */
  readonly home: string
  readonly vault: string
  /** The deployment on the server (the same machine, by SSH). */
  readonly deployment: string
  readonly sshd: Sshd
  readonly redis: LabRedis
  readonly gpg: LabGpg
  /** The config as an object; change it and call `writeConfig`. */
  readonly config: WorldConfig
  writeConfig(): Promise<void>
  cli(...args: string[]): Promise<CliResult>
  start(...args: string[]): RunningCli
  /** Snapshot directories of a host, oldest first. */
  snapshots(host?: string): Promise<string[]>
  manifest(id: string, host?: string): Promise<Record<string, unknown>>
  /**
   * Opens every tar archive of a snapshot, and those of the snapshots it builds on, in the manifests' order, with
   * stock gpg, zstd and tar into `to`, and runs the replay scripts, as the README says it is done by hand.
   */
  extract(id: string, to: string, host?: string): Promise<void>
}

// The tests change the config freely; the product's schema is what checks it.
export interface WorldConfig {
  version: number
  vault: string
  encryption: Record<string, unknown>
  retention: Record<string, unknown>
  hosts: Record<
    string,
    {
      ssh: Record<string, unknown>
      deployment: string
      sources: Record<string, Record<string, unknown>>
    } & Record<string, unknown>
  >
  [key: string]: unknown
}

export interface WorldOptions {
  readonly sshd?: SshdOptions
  readonly redis?: RedisOptions
}

interface StoredSource {
  readonly name: string
  readonly parents: readonly string[]
  readonly archives: readonly {
    readonly file: string
    readonly format: string
    readonly compression: string
  }[]
  readonly replay?: { readonly file: string }
}

const UNPACKERS: Record<string, string> = { zstd: 'zstd -d -q', gzip: 'gzip -d', none: 'cat' }
const UNPACK = 'tar -x -p --numeric-owner --xattrs --xattrs-include="*"'

/** Starts it all: one host `prod` with redis_data, logs, data and config. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const stack = new AsyncDisposableStack()
  try {
    const temp = stack.use(await tempDir('relay-world-'))
    const home = join(temp.path, 'workstation')
    const deployment = join(temp.path, 'server', 'app')
    await mkdir(home)
    await mkdir(join(deployment, 'redis_data'), { recursive: true })
    await mkdir(join(deployment, 'logs'))
    await mkdir(join(deployment, 'data'))
    await writeFile(join(deployment, '.env'), 'SECRET=server-side\n', { mode: 0o600 })
    await writeFile(join(deployment, 'docker-compose.yml'), 'services: {}\n')
    await writeFile(join(deployment, 'logs', 'app.log'), 'line one\nline two\n')
    await writeFile(join(deployment, 'data', 'data.bin'), Buffer.alloc(100_000, 'x'))
    const [sshd, redis, gpg] = await Promise.all([
      startSshd(options.sshd),
      startRedis({ dir: join(deployment, 'redis_data'), ...options.redis }),
      startGpg(home),
    ])
    stack.use(sshd)
    stack.use(redis)
    stack.use(gpg)
    await redis.cli('MSET', 'alpha', '1', 'beta', '2', 'gamma', '3')
    const ssh = sshd.sshConfig()
    const config: WorldConfig = {
      version: 1,
      vault: 'vault',
      encryption: { recipients: [gpg.publicKey], identity: gpg.privateKey },
      retention: { last: 7 },
      hosts: {
        prod: {
          ssh: {
            host: ssh.host,
            port: ssh.port,
            user: ssh.user,
            identityFile: ssh.identityFile,
            knownHosts: ssh.knownHosts,
            agent: false,
          },
          deployment,
          sources: {
            redis_data: { kind: 'redis', path: 'redis_data', address: `127.0.0.1:${redis.port}` },
            logs: { kind: 'files', path: 'logs' },
            data: { kind: 'files', path: 'data' },
            config: { kind: 'files', paths: ['.env', 'docker-compose.yml'] },
          },
        },
      },
    }
    const vault = join(home, 'vault')
    const world: World = {
      home,
      vault,
      deployment,
      sshd,
      redis,
      gpg,
      config,
      writeConfig: () => writeFile(join(home, 'hosts.yaml'), stringify(config)),
      cli: (...args) => runCli(args, { cwd: home }),
      start: (...args) => startCli(args, { cwd: home }),
      snapshots: async (host = 'prod') => {
        const { stdout } = await run('sh', [
          '-c',
          'cd "$1" 2>/dev/null && ls -d 2* 2>/dev/null || :',
          'sh',
          join(vault, host),
        ])
        return stdout.split('\n').filter((line) => line !== '')
      },
      manifest: async (id, host = 'prod') =>
        JSON.parse(await readFile(join(vault, host, id, 'manifest.json'), 'utf8')) as Record<string, unknown>,
      extract: async (id, to, host = 'prod') => {
        const open = async (of: string, file: string, rest: string): Promise<void> => {
          const pipe = `set -e; gpg --batch --quiet -d "$1" | ${rest}`
          const path = join(vault, host, of, file)
          await run('bash', ['-o', 'pipefail', '-c', pipe, 'sh', path, to], { env: gpg.env })
        }
        const sourcesOf = async (of: string) => (await world.manifest(of, host))['sources'] as StoredSource[]
        for (const { name, parents, replay } of await sourcesOf(id)) {
          for (const each of [...parents, id]) {
            const source = (await sourcesOf(each)).find((one) => one.name === name)
            for (const { file, format, compression } of source?.archives ?? []) {
              if (format === 'tar') await open(each, file, `${UNPACKERS[compression]} | ${UNPACK} -C "$2"`)
            }
          }
          if (replay !== undefined) await open(id, replay.file, '(cd "$2" && sh)')
        }
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
    await world.writeConfig()
    return world
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}
