import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A real redis-server on a free port of loopback, with some keys of the sample app. */
export interface SampleRedis extends AsyncDisposable {
  readonly port: number
  /** The number of keys. */
  keys(): Promise<number>
  /** The disaster: removes every key. */
  flush(): Promise<void>
}

/**
 * Starts redis-server in `directory`, with the sample's keys or with what lies there; undefined when this machine has
 * no redis-server or redis-cli.
 */
export async function startSampleRedis(
  directory: string,
  signal: AbortSignal,
  options: { readonly fill: boolean } = { fill: true },
): Promise<SampleRedis | undefined> {
  if (!(await has('redis-server')) || !(await has('redis-cli'))) return undefined
  const port = await freePort()
  const server = spawn(
    'redis-server',
    ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory, '--save', '', '--daemonize', 'no'],
    { stdio: 'ignore' },
  )
  const ask = async (command: string) => (await run('redis-cli', ['-p', String(port), command])).stdout.trim()
  const redis: SampleRedis = {
    port,
    keys: async () => Number(await ask('DBSIZE')),
    flush: async () => void (await ask('FLUSHALL')),
    [Symbol.asyncDispose]: () => stop(server),
  }
  try {
    await answered(port, signal)
    if (options.fill) await fill(port)
    return redis
  } catch (error) {
    await stop(server)
    throw error
  }
}

async function has(command: string): Promise<boolean> {
  return run(command, ['--version']).then(
    () => true,
    () => false,
  )
}

async function answered(port: number, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const { stdout } = await run('redis-cli', ['-p', String(port), 'PING']).catch(() => ({ stdout: '' }))
    if (stdout.trim() === 'PONG') return
    await sleep(50, undefined, { signal })
  }
  throw new Error(`redis-server on port ${port} does not answer`)
}

async function fill(port: number): Promise<void> {
  const commands = Array.from({ length: 500 }, (_, user) => [
    `HSET user:${user} name "User ${user}" plan free quota ${user * 10}`,
    `SET session:${user} token-${user} EX 864000`,
  ])
    .flat()
    .concat([
      'LPUSH queue:mail a b c',
      'SADD models opus sonnet haiku',
      'ZADD usage 12 a 40 b',
      'XADD events * kind start',
    ])
  const client = spawn('redis-cli', ['-p', String(port)], { stdio: ['pipe', 'ignore', 'ignore'] })
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  client.stdin.end(`${commands.join('\n')}\n`)
  await closed
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const closed = new Promise<void>((resolve) => server.once('close', () => resolve()))
  server.kill('SIGTERM')
  await closed
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() =>
        address !== null && typeof address === 'object'
          ? resolve(address.port)
          : reject(new Error('no port')),
      )
    })
  })
}
