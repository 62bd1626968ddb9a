import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { ConnectionError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import { HeadAndTail } from '../tail-buffer.ts'

/** ms that the command may take to end by itself. */
const END_PATIENCE = 1000
const STDERR_SHOWN = 2000

/** A running `ProxyCommand`, whose stdin and stdout are the connection. */
export interface ProxyConnection {
  readonly stream: Duplex
  /** What it has said on stderr, and how it ended when it has. */
  explain(error: ConnectionError): ConnectionError
  /** Ends it: by SIGHUP as OpenSSH does, at last by SIGKILL. */
  end(): Promise<void>
}

/**
 * Runs a `ProxyCommand` as OpenSSH does: `exec` of it by the user's shell, at our terminal, where it may ask. Ctrl-C does
 * not reach it: what runs on the server is ended in order over this connection.
 */
export function runProxyCommand(command: string): ProxyConnection {
  const shell = process.env['SHELL'] || '/bin/sh'
  const child = spawn('/bin/sh', ['-c', `trap '' INT; exec "$0" -c "$1"`, shell, `exec ${command}`], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const said = new HeadAndTail(STDERR_SHOWN)
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk))
  child.stderr.on('error', () => {})
  const exited = once(child, 'exit').catch(() => [])
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin })
  return {
    stream,
    explain(error) {
      const words = printable(said.toString().trim())
      const how =
        child.exitCode !== null && child.exitCode !== 0 ? ` ended with exit status ${child.exitCode}` : ''
      if (words === '' && how === '') return error
      return new ConnectionError(
        error.problem,
        `${error.message}; ProxyCommand${how}${words === '' ? '' : `: ${words}`}`,
        { ...error.details, next: `Try it by itself: ${command}` },
      )
    },
    async end() {
      stream.destroy()
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGHUP')
      const timer = setTimeout(() => child.kill('SIGKILL'), END_PATIENCE)
      await exited
      clearTimeout(timer)
    },
  }
}
