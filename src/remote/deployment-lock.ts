import { hostname, userInfo } from 'node:os'
import { LockedError, RemoteError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import { fieldLines, fieldsOf } from '../model/talk.ts'
import type { RemoteHost } from './contract.ts'

/**
 * Takes the lock of a deployment on the server; disposing it gives it back. It lasts as long as the connection
 * and this process do. Throws LockedError that says who holds it and since when.
 */
export async function lockDeployment(
  host: RemoteHost,
  deployment: string,
  options: { readonly sudo: boolean; readonly signal: AbortSignal },
  who: string = ourselves(),
): Promise<AsyncDisposable> {
  const { signal } = options
  const privilege = options.sudo ? 'sudo' : undefined
  const lease = await host.lease(
    { script: 'remote/lock', args: [deployment], privilege, title: 'locking the deployment' },
    { firstLines: [who.replaceAll(/[\n\0]/g, ' ')], signal },
  )
  try {
    const answer = await lease.nextLine(signal)
    const [word, ...fields] = fieldsOf(answer ?? '')
    if (word !== 'locked') throw refusal(host.name, deployment, word, fields)
  } catch (error) {
    await lease[Symbol.asyncDispose]()
    throw error
  }
  return lease
}

/** Throws LockedError that says who holds the lock of a deployment on the server. Changes nothing there. */
export async function lookAtDeploymentLock(
  host: RemoteHost,
  deployment: string,
  options: { readonly sudo: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const privilege = options.sudo ? 'sudo' : undefined
  const title = 'looking whether the deployment is locked'
  const { stdout } = await host.run(
    { script: 'remote/lock-look', args: [deployment], privilege, title },
    { signal: options.signal },
  )
  const [word, ...fields] = fieldLines(stdout)[0] ?? []
  if (word !== 'free') throw refusal(host.name, deployment, word, fields)
}

function refusal(
  host: string,
  deployment: string,
  word: string | undefined,
  fields: readonly string[],
): Error {
  if (word === 'held') {
    const [since = '', who = ''] = fields
    const at = /^\d{1,12}$/.test(since) ? ` since ${new Date(Number(since) * 1000).toISOString()}` : ''
    return new LockedError(`${deployment} is locked by ${printable(who)}${at}`, {
      host,
      next: 'Wait until that run has ended; the lock of a dead run is free a minute later at the latest',
    })
  }
  const [text = ''] = word === 'failed' ? fields : []
  return new RemoteError(
    'lock-failed',
    `The deployment ${deployment} can't be locked${text === '' ? '' : `: ${printable(text)}`}`,
    {
      host,
      next: 'Check that the path exists on the server and that the disk is not full',
    },
  )
}

function ourselves(): string {
  return `${userInfo().username}@${hostname()} (pid ${process.pid})`
}
