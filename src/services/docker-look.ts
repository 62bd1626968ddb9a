import { RemoteError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import type { RemoteHost } from '../remote/contract.ts'
import { parseContainer } from './container.ts'
import type { ContainerLook, DockerLook } from './contract.ts'

/**
 * Looks at the server's Docker in one round trip; changes nothing. Throws RemoteError `docker-missing`,
 * `docker-denied` (the user may not), `docker-down`, `docker-remote` (the engine is on another machine) or
 * `docker-failed`.
 */
export async function lookAtDocker(
  host: RemoteHost,
  options: { readonly sudo: boolean; readonly signal: AbortSignal },
): Promise<DockerLook> {
  const title = 'looking at Docker'
  const result = await host.run(
    { script: 'services-docker-look', sudo: options.sudo, title },
    { signal: options.signal },
  )
  if (result.status !== 0) {
    throw new RemoteError('docker-failed', `Docker on ${host.name} can't be looked at`, {
      host: host.name,
      command: title,
      exitStatus: result.status,
      stderr: result.stderr,
      next: `Try as the SSH user on ${host.name}: docker ps`,
    })
  }
  return parseDockerLook(host.name, result.stdout)
}

/** Reads what services-docker-look.sh prints. Throws as {@link lookAtDocker} does. */
export function parseDockerLook(host: string, stdout: Buffer): DockerLook {
  const lines = stdout
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'))
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
  const engine = one('engine')
  const [, version, apiVersion, os, arch, root, security] = engine ?? []
  if (version === undefined || one('end') === undefined) {
    throw new RemoteError('docker-failed', `What Docker on ${host} says is cut short`, {
      host,
      next: 'Run it again',
    })
  }
  const compose = lines.filter((line) => line[0] === 'compose').map((line) => line[2] ?? '')
  const real = new Map(
    lines.filter((line) => line[0] === 'real').map((line) => [line[1] ?? '', line[2] ?? ''] as const),
  )
  const containers = lines
    .filter((line) => line[0] === 'container')
    // A TAB in a label is escaped in JSON, so the rest is one field.
    .map((line): ContainerLook => parseContainer(line.slice(1).join('\t'), real))
  return {
    engine: {
      version,
      apiVersion: apiVersion ?? '',
      os: os ?? '',
      arch: arch ?? '',
      root: root === '' ? undefined : root,
      shifted: /name=rootless/.test(security ?? '')
        ? 'rootless'
        : /name=userns/.test(security ?? '')
          ? 'userns'
          : undefined,
    },
    compose: { v2: composeVersion(compose, false), v1: composeVersion(compose, true) },
    containers,
  }
}

/** Version 2 calls itself `2.27.0` or `v2.27.0`, whichever of the two names it has. */
function composeVersion(versions: readonly string[], first: boolean): string | undefined {
  return versions
    .map((text) => text.replace(/^v/, ''))
    .find((text) => text !== '' && text.startsWith('1.') === first)
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
