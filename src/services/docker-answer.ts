import { RemoteError } from '../errors.ts'
import { fieldLines } from '../model/talk.ts'
import { printable } from '../model/path-bytes.ts'
import type { DockerLook } from './contract.ts'

/**
 * Refuses an engine that can't be asked, or that is not on this server. Throws RemoteError `docker-missing`,
 * `docker-denied` (the user may not), `docker-down`, `docker-remote` or `docker-failed`.
 */
export function insistOnEngine(host: string, lines: readonly (readonly string[])[]): void {
  const one = (verb: string): readonly string[] | undefined => lines.find((line) => line[0] === verb)
  if (one('client') !== undefined) {
    throw new RemoteError('docker-missing', `There is no docker on ${host}`, {
      host,
      next: `Install Docker on ${host}, or set hosts.${host}.services.manager to what runs there`,
    })
  }
  const endpoint = one('endpoint')?.[1] ?? ''
  const failed = one('failed')
  if (failed !== undefined) throw engineError(host, one('me') ?? [], endpoint, failed)
  if (/^(tcp|ssh|https?):/.test(endpoint)) {
    throw new RemoteError(
      'docker-remote',
      `docker on ${host} speaks to an engine elsewhere: ${printable(endpoint.replace(/\/\/[^@/]*@/, '//'))}`,
      { host, next: 'Name the server that the engine runs on as a host of its own' },
    )
  }
}

/** The lines of an answer that is whole. Throws as {@link insistOnEngine} does, and {@link cutShort}. */
export function wholeAnswer(host: string, stdout: Buffer): readonly (readonly string[])[] {
  const lines = fieldLines(stdout)
  insistOnEngine(host, lines)
  if (!lines.some(([verb]) => verb === 'end')) throw cutShort(host)
  return lines
}

/** For an answer without its end. */
export function cutShort(host: string): RemoteError {
  return new RemoteError('docker-failed', `What Docker on ${host} says is cut short`, {
    host,
    next: 'Run it again.',
  })
}

/** Whether the engine's root is not the server's, by its security options as JSON. */
export function shiftedBy(security: string | undefined): DockerLook['engine']['shifted'] {
  if (/name=rootless/.test(security ?? '')) return 'rootless'
  return /name=userns/.test(security ?? '') ? 'userns' : undefined
}

function engineError(
  host: string,
  me: readonly string[],
  endpoint: string,
  failed: readonly string[],
): RemoteError {
  const [, user = '', groups = ''] = me
  const [, status, text = ''] = failed
  const details = { host, command: 'docker version', exitStatus: Number(status), stderr: text }
  if (/permission denied/i.test(text)) {
    const inGroup = groups.split(' ').includes('docker')
    return new RemoteError('docker-denied', `${user} may not use Docker on ${host}`, {
      ...details,
      next: inGroup
        ? `Let the group docker use ${endpoint.replace(/^unix:\/\//, '')} on ${host}, or set hosts.${host}.sudo: true`
        : `Run there: sudo usermod -aG docker ${user} – or set hosts.${host}.sudo: true`,
    })
  }
  if (/cannot connect|is the docker daemon running|connection refused/i.test(text) || status === '124') {
    return new RemoteError('docker-down', `The Docker engine on ${host} does not answer`, {
      ...details,
      next: `Start it on ${host}: sudo systemctl start docker`,
    })
  }
  return new RemoteError('docker-failed', `docker on ${host} failed`, {
    ...details,
    next: `Try as the SSH user on ${host}: docker ps`,
  })
}
