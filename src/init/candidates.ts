import { isWithin, type FoundContainer } from '../model/discovery.ts'
import type { ContainerLook, DockerLook } from '../services/contract.ts'
import type { Places } from './discover.ts'

/** A directory that may be what somebody wants to back up. */
export interface Candidate {
  /** Absolute, symlinks resolved. */
  readonly directory: string
  /** What speaks for it: `Compose project shop (app, db)`. */
  readonly what: string
}

/** Where apps are, those that run first. `look` is undefined where there is no Docker. */
export function candidates(look: DockerLook | undefined, places: Places): readonly Candidate[] {
  const found = new Map<string, string>()
  const add = (directory: string, what: string): void => {
    if (!found.has(directory)) found.set(directory, what)
  }
  for (const [directory, containers] of projects(look)) {
    const services = [...new Set(containers.map(({ compose }) => compose?.service ?? ''))].sort()
    const state = containers.some(isUp) ? '' : ', stopped'
    add(directory, `Compose project ${containers[0]?.compose?.project} (${services.join(', ')}${state})`)
  }
  for (const { name, directory } of places.units) {
    // The system's own services work in / or in a home.
    if (directory.startsWith('/') && directory.split('/').length > 2) add(directory, name)
  }
  for (const directory of places.apps) add(directory, 'has a Compose file; nothing of it was started')
  return [...found].map(([directory, what]) => ({ directory, what }))
}

function projects(look: DockerLook | undefined): ReadonlyMap<string, readonly ContainerLook[]> {
  const all = (look?.containers ?? []).filter(
    ({ compose }) => compose?.directory !== undefined && !compose.oneOff,
  )
  const byDirectory = Map.groupBy(all, ({ compose }) => compose?.directory ?? '')
  return new Map([...byDirectory].sort(([, a], [, b]) => Number(b.some(isUp)) - Number(a.some(isUp))))
}

/** The containers of an app: those that were made in its directory, and those that see something of it. */
export function containersOf(look: DockerLook | undefined, deployment: string): readonly FoundContainer[] {
  return (look?.containers ?? [])
    .filter(({ compose }) => compose?.oneOff !== true)
    .filter(
      ({ compose, mounts }) =>
        compose?.directory === deployment ||
        mounts.some(({ source }) => source !== undefined && isWithin(source, deployment)),
    )
    .map((container) => ({
      name: container.name,
      service: container.compose?.directory === deployment ? container.compose.service : undefined,
      image: imageName(container.image),
      isUp: isUp(container),
      ports: container.ports,
      mounts: container.mounts.flatMap(({ type, source, destination, volume, writable }) =>
        (type === 'bind' || type === 'volume') && source !== undefined
          ? [{ source, destination, volume, writable }]
          : [],
      ),
    }))
}

/** Of `registry.example.com:5000/team/app:7@sha256:…`: `app`. */
function imageName(image: string): string {
  return (image.split('@')[0]?.split('/').at(-1) ?? '').replace(/:.*$/, '').toLowerCase()
}

function isUp({ status }: ContainerLook): boolean {
  return status === 'running' || status === 'paused' || status === 'restarting'
}
