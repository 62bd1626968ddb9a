import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface LinkShape {
  readonly megabits: number
  /** One way, in milliseconds. */
  readonly delay: number
  /** Of the packets of each direction. */
  readonly lossPercent: number
}

/** A network namespace for clients, whose only way out is a slow link to an address of this machine. */
export interface Link extends AsyncDisposable {
  /** The server's address at the far end. */
  readonly address: string
  /** Put in front of a client's command. */
  readonly wrap: readonly string[]
}

const CLIENT = '10.213.77.1'
const SERVER = '10.213.77.2'

/**
 * Makes the link by two TUN devices and `link.py` between them: unlike netem, it needs nothing that a small kernel
 * leaves out. Needs root.
 */
export async function startLink({ megabits, delay, lossPercent }: LinkShape): Promise<Link> {
  const namespace = `relay-bench-${process.pid}`
  const [near, far] = [`rbn${process.pid}`, `rbf${process.pid}`]
  const numbers = [megabits, delay, lossPercent].map(String)
  const stack = new AsyncDisposableStack()
  try {
    await run('ip', ['netns', 'add', namespace])
    stack.defer(() => run('ip', ['netns', 'delete', namespace]).then(() => undefined))
    const child = spawn('python3', [join(import.meta.dirname, 'link.py'), near, far, ...numbers], {
      stdio: ['pipe', 'pipe', 'inherit'],
      // A Ctrl-C at the terminal is for the bench, which ends the link last.
      detached: true,
    })
    stack.defer(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const closed = once(child, 'exit')
      child.stdin.end()
      await closed
    })
    await Promise.race([
      once(child.stdout, 'data'),
      once(child, 'exit').then(() => Promise.reject(new Error('link.py ended at once'))),
    ])
    await run('ip', ['link', 'set', near, 'netns', namespace])
    for (const [where, device, address] of [
      [['-n', namespace], near, CLIENT],
      [[], far, SERVER],
    ] as const) {
      await run('ip', [...where, 'address', 'add', `${address}/30`, 'dev', device])
      await run('ip', [...where, 'link', 'set', device, 'up'])
    }
    return {
      address: SERVER,
      wrap: ['ip', 'netns', 'exec', namespace],
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}
