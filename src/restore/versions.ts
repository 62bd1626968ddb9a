import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import type { Manifest } from '../model/snapshot.ts'
import { isOlder } from '../model/version-order.ts'

/** A server as a snapshot's manifest describes it. */
export type RecordedServer = Manifest['server']

/** The server that is restored to, described in the same words as it is now. */
export interface TargetServer {
  readonly name: string
  readonly arch: string
  /** As in the manifest: `docker-engine`, `docker-compose`, `compose-plugin`. Empty where no containers are managed. */
  readonly versions: Readonly<Record<string, string>>
  /** The ids of the recorded images there; undefined for one that is not. */
  readonly images: ReadonlyMap<string, string | undefined>
}

/**
 * What a snapshot's manifest says of its server against what the target is, as findings. Engines of data (Redis) are
 * their sources' own to judge. A manifest that says nothing gives no finding.
 */
export function versionFindings(recorded: RecordedServer, target: TargetServer): readonly Finding[] {
  return [
    ...architecture(recorded, target),
    ...engine(recorded, target),
    ...compose(recorded, target),
    ...images(recorded, target),
  ]
}

/** The images that the services of a snapshot were of. */
export function recordedImages({ versions }: RecordedServer): readonly string[] {
  return Object.keys(versions).flatMap((key) =>
    key.startsWith('image ') ? [key.slice('image '.length)] : [],
  )
}

/** The newest Compose of a server. */
export function recordedCompose({ versions }: Pick<RecordedServer, 'versions'>): string | undefined {
  return versions['compose-plugin'] ?? versions['docker-compose']
}

function architecture(recorded: RecordedServer, target: TargetServer): Finding[] {
  if (recorded.arch === '' || target.arch === '' || recorded.arch === target.arch) return []
  return [
    {
      check: 'architecture',
      outcome: 'warning',
      message: `the snapshot is of ${printable(recorded.arch)}, ${target.name} is ${printable(target.arch)}: images and programs must be made for it`,
    },
  ]
}

function engine(recorded: RecordedServer, target: TargetServer): Finding[] {
  const [there, here] = [recorded.versions['docker-engine'], target.versions['docker-engine']]
  if (there === undefined || here === undefined || !isOlder(here, there)) return []
  return [
    {
      check: 'docker-version',
      outcome: 'warning',
      message: `the snapshot is of Docker ${printable(there)}, ${target.name} has the older ${printable(here)}`,
      next: `Update Docker on ${target.name} if the services do not start.`,
    },
  ]
}

/** Either version reads what the other's files have in common; only the newer features are at stake. */
function compose(recorded: RecordedServer, target: TargetServer): Finding[] {
  const [there, here] = [recordedCompose(recorded), recordedCompose(target)]
  if (there === undefined || target.versions['docker-engine'] === undefined) return []
  if (here === undefined) {
    return [
      {
        check: 'compose-version',
        outcome: 'warning',
        message: `the snapshot's services are Compose's, and neither docker compose nor docker-compose is on ${target.name}`,
        next: 'Install the Compose plugin there.',
      },
    ]
  }
  if (!isOlder(here, there)) return []
  return [
    {
      check: 'compose-version',
      outcome: 'warning',
      message: `the snapshot's Compose file was used by Compose ${printable(there)}; ${target.name} has the older ${printable(here)}, which may not read it`,
      next: 'Services that do not start roll the restore back. Install a newer Compose there first.',
    },
  ]
}

function images(recorded: RecordedServer, target: TargetServer): Finding[] {
  if (target.versions['docker-engine'] === undefined) return []
  return recordedImages(recorded).flatMap((name): Finding[] => {
    const here = target.images.get(name)
    if (here === recorded.versions[`image ${name}`]) return []
    if (here !== undefined) {
      return [
        {
          check: 'image',
          outcome: 'ok',
          message: `the image ${printable(name)} on ${target.name} is another than the snapshot's services had`,
        },
      ]
    }
    return [
      {
        check: 'image',
        outcome: 'warning',
        message: `the image ${printable(name)} of a service is not on ${target.name}`,
        next: `Get it there before: docker pull ${printable(name)} (or docker save | docker load).`,
      },
    ]
  })
}
