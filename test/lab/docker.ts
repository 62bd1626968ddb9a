import { execFile, spawn } from 'node:child_process'
import { chmod, copyFile, mkdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { withRunner } from './runner.ts'
import { tempDir } from './temp.ts'

const run = promisify(execFile)

/** Debian's own client: another one may lie before it on the PATH. */
const CLIENT = '/usr/bin/docker'
const COMPOSE = '/usr/bin/docker-compose'

/** The only image there is: busybox and Redis of this machine, root and the user redis (uid 999). */
export const LAB_IMAGE = 'relay-lab:1'

/** A real Docker Engine of its own: data, containers, networks and socket are nobody else's. */
export interface LabDocker extends AsyncDisposable {
  /** For whatever is to reach it. Members of the group docker may, and root. */
  readonly env: { readonly DOCKER_HOST: string }
  readonly pid: number
  /** Runs docker with these arguments and returns its stdout, trimmed. */
  docker(...args: readonly string[]): Promise<string>
  /** Pauses a container. On a loaded machine runc gives up freezing it, and so it is asked up to five times. */
  pause(container: string): Promise<void>
  /** The same with docker-compose, in a directory. Docker's version 2 plugin is not packaged by Debian 12. */
  compose(directory: string, ...args: readonly string[]): Promise<string>
  /** Ends the engine alone, without its containers' data, as `systemctl stop docker` does; `start` starts it again. */
  stop(): Promise<void>
  start(): Promise<void>
}

/** Starts dockerd and imports {@link LAB_IMAGE}. Needs root. Two of them are two servers. */
export async function startDocker(): Promise<LabDocker> {
  const temp = await tempDir('relay-docker-')
  const folder = temp.path
  // The socket is in it, and members of the group docker must get there.
  await chmod(folder, 0o711)
  const socket = join(folder, 'docker.sock')
  const env = { DOCKER_HOST: `unix://${socket}` }
  const call = async (file: string, args: readonly string[], cwd = folder): Promise<string> => {
    const result = await run(file, args, {
      cwd,
      // Compose starts in half the time.
      // docker-compose gives an engine on a loaded machine 60 s by itself.
      env: { ...process.env, ...env, SETUPTOOLS_USE_DISTUTILS: 'stdlib', COMPOSE_HTTP_TIMEOUT: '300' },
      maxBuffer: 64 * 1024 ** 2,
    })
    return result.stdout.trim()
  }
  let engine: Engine | undefined
  const lab: LabDocker = {
    env,
    get pid() {
      if (engine === undefined) throw new Error('the engine is stopped')
      return engine.pid
    },
    docker: (...args) => call(CLIENT, args),
    pause: async (container) => {
      for (let tries = 1; ; tries += 1) {
        try {
          await call(CLIENT, ['pause', container])
          return
        } catch (error) {
          if (tries === 5 || !String(error).includes('unable to freeze')) throw error
        }
      }
    },
    compose: (directory, ...args) => call(COMPOSE, args, directory),
    async start() {
      engine ??= await startEngine(folder, socket, () => call(CLIENT, ['version']))
    },
    async stop() {
      await engine?.stop()
      engine = undefined
    },
    async [Symbol.asyncDispose]() {
      try {
        await this.start()
        const containers = await lines(call(CLIENT, ['ps', '--all', '--quiet']))
        if (containers.length > 0) await call(CLIENT, ['rm', '--force', '--volumes', ...containers])
        // The bridges on this machine go with them.
        await call(CLIENT, ['network', 'prune', '--force'])
      } finally {
        await this.stop()
        await unmount(folder)
        await temp[Symbol.asyncDispose]()
      }
    },
  }
  try {
    await lab.start()
    await importImage(folder, call)
  } catch (error) {
    await lab[Symbol.asyncDispose]()
    throw error
  }
  return lab
}

interface Engine {
  readonly pid: number
  stop(): Promise<void>
}

async function startEngine(folder: string, socket: string, ask: () => Promise<unknown>): Promise<Engine> {
  const child = spawn(
    ...withRunner('dockerd', [
      ...['--host', `unix://${socket}`, '--group', 'docker'],
      ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
      ...['--pidfile', join(folder, 'docker.pid')],
      // Containers talk over bridges that Compose makes; nothing of this machine's own network is changed for them.
      ...[
        '--bridge',
        'none',
        '--iptables=false',
        '--ip6tables=false',
        '--ip-masq=false',
        '--ip-forward=false',
      ],
      ...['--shutdown-timeout', '3', '--log-level', 'warn'],
    ]),
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  )
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-16_384)))
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async () => {
    child.kill('SIGTERM')
    await exited
  }
  for (let attempt = 0; attempt < 300 && child.exitCode === null; attempt += 1) {
    const up = await ask().then(
      () => true,
      () => false,
    )
    if (up && child.pid !== undefined) return { pid: child.pid, stop }
    await sleep(100)
  }
  if (child.exitCode === null) await stop()
  throw new Error(`dockerd does not start:\n${log}`)
}

/** Nothing can be pulled here, so the image is made of this machine's own programs. */
async function importImage(
  folder: string,
  docker: (file: string, args: readonly string[]) => Promise<string>,
): Promise<void> {
  const root = join(folder, 'image')
  for (const name of ['bin', 'etc', 'tmp', 'root', 'proc', 'sys', 'dev', 'data']) {
    await mkdir(join(root, name), { recursive: true, mode: 0o755 })
  }
  await chmod(join(root, 'tmp'), 0o1777)
  for (const program of ['busybox', 'redis-server', 'redis-cli', 'redis-check-rdb', 'redis-check-aof']) {
    const file = await realpath(`/usr/bin/${program}`)
    await copyFile(file, join(root, 'bin', program))
    const libraries = await run('ldd', [file]).catch(() => ({ stdout: '' }))
    for (const [library] of libraries.stdout.matchAll(/\/\S+/g)) {
      await mkdir(join(root, dirname(library)), { recursive: true, mode: 0o755 })
      await copyFile(library, join(root, library))
    }
  }
  for (const applet of await lines(run('/usr/bin/busybox', ['--list']).then(({ stdout }) => stdout))) {
    await symlink('busybox', join(root, 'bin', basename(applet))).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
  await writeFile(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nredis:x:999:999:redis:/data:/bin/sh\n',
    { mode: 0o644 },
  )
  await writeFile(join(root, 'etc/group'), 'root:x:0:\nredis:x:999:\n', { mode: 0o644 })
  const tar = join(folder, 'image.tar')
  await run('tar', ['-C', root, '-cf', tar, '.'])
  await docker(CLIENT, ['import', '--change', 'ENV PATH=/bin', '--change', 'CMD ["sh"]', tar, LAB_IMAGE])
}

/** What an engine has left mounted below a directory. */
async function unmount(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${folder}/`))
  for (const path of mounts.reverse()) await run('umount', ['-l', path]).catch(() => undefined)
}

async function lines(text: Promise<string>): Promise<readonly string[]> {
  return (await text).split('\n').filter((line) => line !== '')
}
