import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { type CliResult, type RunningCli, runCli, startCli } from './cli.ts'
import { startGpg } from './gpg.ts'
import { freePort } from './ports.ts'
import { startSshd, type Sshd } from './sshd.ts'
import { tempDir } from './temp.ts'

const run = promisify(execFile)

/** A server of its own: sshd, a place for the deployment, and one script that runs its Redis and its app. */
export interface LabServer {
  readonly name: 'old' | 'new'
  readonly folder: string
  readonly deployment: string
  readonly sshd: Sshd
  readonly redisPort: number
  readonly appPort: number
  /** Stops and starts as its own people would. */
  control(verb: 'start' | 'stop'): Promise<void>
  /** The app answers that it is healthy, and its Redis answers. */
  serves(): Promise<boolean>
  redis(...args: readonly string[]): Promise<string>
}

export interface MigrationLab extends AsyncDisposable {
  readonly home: string
  readonly old: LabServer
  readonly new: LabServer
  /** As in hosts.yaml; change it and call `writeConfig`. */
  readonly config: { readonly hosts: Record<LabServer['name'], LabHostConfig> }
  writeConfig(): Promise<void>
  cli(...args: readonly string[]): Promise<CliResult>
  start(...args: readonly string[]): RunningCli
  runs(host: string): Promise<readonly { operation: string; outcome: string }[]>
}

export interface LabHostConfig {
  ssh: Record<string, unknown>
  deployment: string
  services: Record<string, unknown>
  sources: Record<string, Record<string, unknown>>
}

/** Two servers: `old` runs a deployment as users have it, `new` has nothing. */
export async function startMigrationLab(): Promise<MigrationLab> {
  const stack = new AsyncDisposableStack()
  try {
    const temp = stack.use(await tempDir('relay-migrate-'))
    const home = join(temp.path, 'workstation')
    await mkdir(home)
    const gpg = stack.use(await startGpg(home))
    const servers = await Promise.all(
      (['old', 'new'] as const).map(async (name) => {
        const server = await startServer(name, join(temp.path, name), stack.use(await startSshd()))
        stack.defer(() => server.control('stop'))
        return server
      }),
    )
    const [old, fresh] = servers as [LabServer, LabServer]
    await fillDeployment(old.deployment)
    await old.control('start')
    await old.redis('mset', 'alpha', '1', 'beta', '2', 'counter', '0')
    const config = {
      version: 1,
      vault: 'vault',
      encryption: { recipients: [gpg.publicKey], identity: gpg.privateKey },
      retention: { last: 3 },
      hosts: { old: hostConfig(old), new: hostConfig(fresh) },
    }
    const lab: MigrationLab = {
      home,
      old,
      new: fresh,
      config,
      writeConfig: () => writeFile(join(home, 'hosts.yaml'), stringify(config)),
      cli: (...args) => runCli(args, { cwd: home }),
      start: (...args) => startCli(args, { cwd: home }),
      runs: async (host) =>
        (await readFile(join(home, 'vault', host, 'runs.jsonl'), 'utf8').catch(() => ''))
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as { operation: string; outcome: string }),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
    await lab.writeConfig()
    return lab
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

async function startServer(name: LabServer['name'], folder: string, sshd: Sshd): Promise<LabServer> {
  const [redisPort, appPort] = [await freePort(), await freePort()]
  const deployment = join(folder, 'app')
  await mkdir(folder)
  const control = join(folder, 'control')
  await writeFile(
    control,
    `#!/bin/sh
# Redis and an app with /health: what a Compose file would run.
cd ${folder}
cli() { redis-cli -p ${redisPort} "$@" 2>/dev/null; }
app_runs() { [ -e app.pid ] && grep -q '^State:.[^ZX]' "/proc/$(cat app.pid)/status" 2>/dev/null; }
up() { cli ping | grep -q PONG; }
case $1 in
  start)
    up || redis-server --port ${redisPort} --bind 127.0.0.1 --dir ${deployment}/redis_data --appendonly yes \\
      --save '' --daemonize yes --logfile ${folder}/redis.log
    n=0; until up || [ $n -ge 300 ]; do sleep 0.1; n=$((n+1)); done; up || exit 1
    app_runs || { (cd ${deployment}/data && exec busybox httpd -f -p 127.0.0.1:${appPort} -h .) </dev/null >/dev/null 2>&1 & echo $! >app.pid; } ;;
  stop)
    if app_runs; then kill "$(cat app.pid)"; fi; rm -f app.pid
    cli shutdown; n=0; while up && [ $n -lt 300 ]; do sleep 0.1; n=$((n+1)); done; ! up ;;
  status) up && app_runs ;;
esac
`,
  )
  await chmod(control, 0o755)
  return {
    name,
    folder,
    deployment,
    sshd,
    redisPort,
    appPort,
    control: async (verb) => void (await run(control, [verb])),
    async serves() {
      const [health, ping] = await Promise.all([
        fetch(`http://127.0.0.1:${appPort}/health`).then(
          (response) => response.ok,
          () => false,
        ),
        run('redis-cli', ['-p', String(redisPort), 'ping']).then(
          ({ stdout }) => stdout.startsWith('PONG'),
          () => false,
        ),
      ])
      return health && ping
    },
    redis: async (...args) =>
      (await run('redis-cli', ['-e', '-p', String(redisPort), ...args])).stdout.trim(),
  }
}

async function fillDeployment(deployment: string): Promise<void> {
  for (const name of ['redis_data', 'logs', 'data']) await mkdir(join(deployment, name), { recursive: true })
  await writeFile(join(deployment, '.env'), 'SECRET=server-side\n', { mode: 0o600 })
  await writeFile(join(deployment, 'docker-compose.yml'), 'services: {}\n')
  await writeFile(join(deployment, 'logs', 'app.log'), 'line one\nline two\n')
  await writeFile(join(deployment, 'data', 'health'), 'ok\n')
  await writeFile(join(deployment, 'data', 'data.bin'), Buffer.alloc(100_000, 'x'))
}

function hostConfig({ sshd, deployment, folder, redisPort, appPort }: LabServer): LabHostConfig {
  const { host, port, user, identityFile, knownHosts } = sshd.sshConfig()
  const control = join(folder, 'control')
  return {
    ssh: { host, port, user, identityFile, knownHosts, agent: false },
    deployment,
    services: {
      manager: 'command',
      stop: `${control} stop`,
      start: `${control} start`,
      status: `${control} status`,
      health: { url: `http://127.0.0.1:${appPort}/health`, timeout: '20s' },
    },
    sources: {
      redis_data: { kind: 'redis', path: 'redis_data', address: `127.0.0.1:${redisPort}` },
      logs: { kind: 'files', path: 'logs' },
      data: { kind: 'files', path: 'data' },
      config: { kind: 'files', paths: ['.env', 'docker-compose.yml'] },
    },
  }
}

/** Increments a counter over and over, and knows the last value that a Redis has acknowledged. */
export class Writer implements AsyncDisposable {
  #acknowledged = 0
  #stopped = false
  readonly #done: Promise<void>

  constructor(port: number, key: string) {
    this.#done = this.#run(port, key)
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  async #run(port: number, key: string): Promise<void> {
    while (!this.#stopped) {
      await new Promise<void>((resolve) => {
        const socket = connect(port, '127.0.0.1')
        // Not as fast as it can: the machine has other things to do, too.
        const next = (): void => void setTimeout(() => socket.write(`INCR ${key}\r\n`), 2)
        socket.setEncoding('utf8')
        socket.on('connect', next)
        socket.on('data', (text: string) => {
          const value = /^:(\d+)\r\n$/.exec(text)?.[1]
          if (value !== undefined) this.#acknowledged = Number(value)
          if (this.#stopped || value === undefined) socket.destroy()
          else next()
        })
        socket.on('error', () => {})
        socket.on('close', () => resolve())
      })
      await sleep(20)
    }
  }
}
