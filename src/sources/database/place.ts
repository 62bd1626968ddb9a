import { SourceError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import type { HostProbe, Privilege, RemoteHost } from '../../remote/contract.ts'
import type { ResolveSecret } from '../../secrets/contract.ts'
import type { SearchContainer } from '../contract.ts'
import { engineName, toSpeak } from '../engine-place.ts'
import type { EnginePlace } from '../kind.ts'

/** What it takes of a context to get to a server. */
export interface ServerContext {
  readonly host: RemoteHost
  readonly probe: Pick<HostProbe, 'deployment'>
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

/** Who asks a database. */
interface Login {
  readonly user: string
  /** Empty for none. */
  readonly password: string
}

/** Which variables of a deployment's environment say who asks a kind of database; see database/lib/env.sh. */
export interface EnvironmentKeys {
  /** A regular expression. */
  readonly scheme: string
  readonly prefixes: readonly string[]
}

/**
 * The login that the environment of the deployment says. Throws SourceError `CODE-credentials` where it says none, or
 * several.
 */
export async function readLogin(
  { host, probe, privilege, signal }: ServerContext,
  { scheme, prefixes }: EnvironmentKeys,
  engine: { readonly code: string; readonly title: string },
): Promise<Login> {
  const { deployment } = probe
  const next = 'Write `user` and `password` into the config instead, or correct the .env of the deployment.'
  if (deployment === undefined)
    throw new SourceError(`${engine.code}-credentials`, 'there is no deployment whose .env says a login', {
      next,
    })
  const result = await host.run(
    {
      script: 'sources/database/env',
      args: [scheme, deployment, ...prefixes],
      privilege,
      title: 'reading the environment of the deployment',
    },
    { signal },
  )
  if (result.status !== 0) {
    const why = printable(result.stderr.trim().split('\n').at(-1) ?? '')
    const message = `the .env of ${deployment} does not say who asks ${engine.title}: ${why}`
    throw new SourceError(`${engine.code}-credentials`, message, { next })
  }
  const [user = '', password = ''] = result.stdout.toString('utf8').split('\n')
  return { user, password }
}
