import { SourceError } from '../errors.ts'
import type { SourceConfig } from '../model/config.ts'
import type { PullDependencies } from '../pull/dependencies.ts'
import { restoreContext } from '../restore/preflight.ts'
import type { Visit } from '../runs/visit.ts'
import type { LoadableServer } from '../sources/contract.ts'
import { kindOf } from '../sources/registry.ts'

/** What the server of a loaded source is on one side; a text says why that is not known. */
export type LoadedSide = LoadableServer | 'down' | 'not-configured' | { readonly problem: SourceError }

/** A source that is loaded into a server which runs, on both sides. */
export interface LoadedLook {
  readonly source: string
  readonly kind: string
  readonly from: LoadedSide
  readonly to: LoadedSide
  /** As TO has it configured. */
  readonly target: SourceConfig | undefined
}

/** Asks the servers of all sources that are loaded. Throws RemoteError. */
export async function lookAtLoads(
  sources: readonly SourceConfig[],
  { from, to }: { readonly from: Visit; readonly to: Visit },
  pull: Pick<PullDependencies, 'resolveSecret'>,
): Promise<readonly LoadedLook[]> {
  const found: LoadedLook[] = []
  for (const source of sources) {
    if (kindOf(source.kind).restore.by !== 'load') continue
    const target = to.host.sources.find(({ name, kind }) => name === source.name && kind === source.kind)
    found.push({
      source: source.name,
      kind: source.kind,
      from: await look(source, from, pull),
      to: target === undefined ? 'not-configured' : await look(target, to, pull),
      target,
    })
  }
  return found
}

async function look(
  config: SourceConfig,
  place: Visit,
  pull: Pick<PullDependencies, 'resolveSecret'>,
): Promise<LoadedSide> {
  const { restore } = kindOf(config.kind)
  if (restore.by !== 'load') throw new Error(`${config.name} is not loaded`)
  const loadable = await restore.open()
  try {
    return await loadable.look(
      restoreContext(place, { pull }, () => undefined),
      config,
    )
  } catch (error) {
    if (!(error instanceof SourceError)) throw error
    return error.code === loadable.downCode ? 'down' : { problem: error }
  }
}

/** The server as it was seen; undefined where it was not. */
export function serverOf(side: LoadedSide): LoadableServer | undefined {
  return typeof side === 'object' && 'names' in side ? side : undefined
}
