import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A real redis-server on a free port of loopback. */
export interface SampleRedis extends AsyncDisposable {
  readonly port: number
  /** The names of all keys, sorted. */
  keys(): Promise<string[]>
  /** The disaster: removes every key. */
  flush(): Promise<void>
}

/** An empty Redis that a restore stops and starts by lines of sh. Disposing it ends it where it runs. */
export interface SecondRedis extends AsyncDisposable {
  readonly port: number
  /** Lines of sh, as the manager `command` has them in the config. */
  readonly services: { readonly stop: string; readonly start: string; readonly status: string }
  /** The names of all keys, sorted. */
  keys(): Promise<string[]>
}

/** Starts an empty redis-server in `directory`, as its line of sh does. */
export async function startSecondRedis(directory: string, signal: AbortSignal): Promise<SecondRedis> {
  const port = await freePort()
  const ask = (...words: string[]) => askRedis(port, ...words)
  const cli = `redis-cli -p ${port}`
  const start = `redis-server --bind 127.0.0.1 --port ${port} --dir ${directory} --save "" --daemonize yes`
  const redis: SecondRedis = {
    port,
    services: {
      stop: `${cli} shutdown`,
      // A daemon answers a moment after its start.
      start: `${start} && for i in 1 2 3 4 5 6 7 8 9; do ${cli} ping && break; sleep 0.2; done`,
      status: `${cli} ping | grep -q PONG`,
    },
    keys: () => keysOf(ask),
    [Symbol.asyncDispose]: async () => void (await ask('SHUTDOWN', 'NOSAVE').catch(() => undefined)),
  }
  await run('sh', ['-c', redis.services.start], { signal })
  return redis
}

/** Starts redis-server in `directory`, with the sample's keys; undefined without a redis-server or redis-cli here. */
export async function startSampleRedis(
  directory: string,
  signal: AbortSignal,
): Promise<SampleRedis | undefined> {
  if (!(await has('redis-server')) || !(await has('redis-cli'))) return undefined
  const port = await freePort()
  const server = spawn(
    'redis-server',
    ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory, '--save', '', '--daemonize', 'no'],
    { stdio: 'ignore' },
  )
  const ask = (...words: string[]) => askRedis(port, ...words)
  const redis: SampleRedis = {
    port,
    keys: () => keysOf(ask),
    flush: async () => void (await ask('FLUSHALL')),
    [Symbol.asyncDispose]: () => stop(server),
  }
  try {
    await answered(port, signal)
    await fill(port)
    return redis
  } catch (error) {
    await stop(server)
    throw error
  }
}

async function askRedis(port: number, ...words: string[]): Promise<string> {
  return (await run('redis-cli', ['-p', String(port), ...words])).stdout.trim()
}

async function keysOf(ask: (...words: string[]) => Promise<string>): Promise<string[]> {
  return (await ask('KEYS', '*')).split('\n').filter(Boolean).toSorted()
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
