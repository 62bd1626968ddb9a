import { RemoteError } from '../errors.ts'
import { fieldLines } from '../model/talk.ts'
import type { Privilege, RemoteHost } from '../remote/contract.ts'
import { parseContainer } from './container.ts'
import type { ContainerLook, DockerLook } from './contract.ts'
import { cutShort, insistOnEngine, shiftedBy } from './docker-answer.ts'

/**
 * The versions of Compose that an earlier look over the same connection has found. Nobody exchanges programs while an
 * app moves, and asking docker-compose for its version takes a second.
 */
const composeSeen = new WeakMap<RemoteHost, Map<Privilege | undefined, DockerLook['compose']>>()

/**
 * Looks at the server's Docker in one round trip; changes nothing. Throws RemoteError `docker-missing`,
 * `docker-denied` (the user may not), `docker-down`, `docker-remote` (the engine is on another machine) or
 * `docker-failed`.
 */
export async function lookAtDocker(
  host: RemoteHost,
  options: { readonly privilege: Privilege | undefined; readonly signal: AbortSignal },
): Promise<DockerLook> {
  const title = 'looking at Docker'
  const { privilege, signal } = options
  const before = composeSeen.get(host) ?? new Map<Privilege | undefined, DockerLook['compose']>()
  const seen = before.get(privilege)
  const args = seen === undefined ? [] : ['known']
  const result = await host.run(
    { script: 'services/docker-look', patience: 'list', args, privilege, title },
    { signal },
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
  const look = parseDockerLook(host.name, result.stdout)
  if (seen !== undefined) return { ...look, compose: seen }
  composeSeen.set(host, before.set(privilege, look.compose))
  return look
}

/** Reads what `services/docker-look` prints. Throws as {@link lookAtDocker} does. */
export function parseDockerLook(host: string, stdout: Buffer): DockerLook {
  const lines = fieldLines(stdout)
  const one = (verb: string): readonly string[] | undefined => lines.find((line) => line[0] === verb)
  insistOnEngine(host, lines)
  const engine = one('engine')
  const [, version, apiVersion, os, arch, root, security] = engine ?? []
  if (version === undefined || one('end') === undefined) {
    throw cutShort(host)
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
      shifted: shiftedBy(security),
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
