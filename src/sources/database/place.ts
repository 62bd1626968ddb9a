import { SourceError } from '../../errors.ts'
import type { Privilege, RemoteHost } from '../../remote/contract.ts'
import type { ResolveSecret } from '../../secrets/contract.ts'
import type { SearchContainer } from '../contract.ts'
import { engineName, toSpeak } from '../engine-place.ts'
import type { EnginePlace } from '../kind.ts'

/** What it takes of a context to get to a server. */
export interface ServerContext {
  readonly host: RemoteHost
  readonly privilege: Privilege | undefined
  readonly secret: ResolveSecret
  readonly findContainer: SearchContainer
  readonly signal: AbortSignal
}

/** How the scripts of a kind get to its server; `-` for none. */
export type ServerPlace = readonly [
  container: string,
  host: string,
  port: string,
  user: string,
  credentials: string,
]

/** A place that was found, and as whom its programs are run: speaking to Docker may take root. */
export interface FoundPlace {
  readonly place: ServerPlace
  readonly privilege: Privilege | undefined
}

/** What a config says of where a server is, and of who asks it. */
interface PlaceConfig {
  readonly at: EnginePlace
  readonly user?: string | undefined
  /** Who asks it is what the environment of its container says. */
  readonly byContainer: boolean
}

/**
 * Finds the place of a server. Throws SourceError `CODE-down` for a container that is missing or does not run, and as the
 * search for a container does.
 */
export async function findPlace(
  context: ServerContext,
  { at, user = '-', byContainer }: PlaceConfig,
  engine: { readonly code: string; readonly title: string },
): Promise<FoundPlace> {
  if ('socket' in at) return { privilege: undefined, place: ['-', at.socket, '-', user, '-'] }
  if ('address' in at) return { privilege: undefined, place: ['-', at.address, String(at.port), user, '-'] }
  const { container } = await context.findContainer(at)
  if (container?.status !== 'running') {
    const name = container?.name ?? ('service' in at ? at.service : at.container)
    throw new SourceError(`${engine.code}-down`, `${engineName(engine.title, at)} does not run`, {
      next: `Start it: a dump is made by a server that runs. Look at it by: docker logs ${name}`,
    })
  }
  return {
    privilege: toSpeak(context.privilege),
    place: [container.name, '-', '-', user, byContainer ? 'container' : '-'],
  }
}
