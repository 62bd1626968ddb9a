import type { SourceConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import { isOlder } from '../model/version-order.ts'
import { configuredPrivilege, type Visit } from '../runs/visit.ts'
import type { ContainerLook } from '../services/contract.ts'
import type { EnginePlace, EngineVersion, KindEngine } from '../sources/kind.ts'
import { allKinds, kindOf } from '../sources/registry.ts'
import type { MachineLook } from './look.ts'

/** What server of data a source has on both hosts; undefined where that could not be found out. */
export interface EngineVersions {
  readonly source: string
  readonly kind: string
  readonly from: EngineVersion | undefined
  readonly to: EngineVersion | undefined
}

interface EngineSide extends Pick<Visit, 'host' | 'remote'> {
  readonly machine: MachineLook
}

/** The programs that a host is asked for: those of every kind that has a server of its own. */
export function enginePrograms(): readonly string[] {
  return allKinds().flatMap(({ engine }) => engine?.programs ?? [])
}

/** Of every source with a server: that of its container's image, else the host's own. Throws RemoteError. */
export async function lookAtEngines(
  sources: readonly SourceConfig[],
  sides: { readonly from: EngineSide; readonly to: EngineSide },
  /** FROM's, and the ids of their images on TO. */
  containers: readonly ContainerLook[],
  images: ReadonlyMap<string, string | undefined>,
  signal: AbortSignal,
): Promise<readonly EngineVersions[]> {
  const found: EngineVersions[] = []
  for (const source of sources) {
    const { name: kind, title, engine, restore } = kindOf(source.kind)
    // A server that is loaded tells its version itself.
    if (engine === undefined || restore.by === 'load') continue
    const container = containerOf(engine.place(source), containers)
    if (container === undefined) {
      const [from, to] = [installed(sides.from, engine), installed(sides.to, engine)]
      found.push({ source: source.name, kind, from, to })
      continue
    }
    const image = images.get(container.image)
    const ask = (side: EngineSide, id: string) => imageVersion(side, id, { title, engine }, signal)
    const from = await ask(sides.from, container.imageId)
    const isSame = image === container.imageId
    const to = isSame || image === undefined ? undefined : await ask(sides.to, image)
    found.push({ source: source.name, kind, from, to: isSame ? from : to })
  }
  return found
}

/** Data that a newer server has written is not loaded by an older one. */
export function engineFindings(
  versions: readonly EngineVersions[],
  names: { readonly from: string; readonly to: string },
): Finding[] {
  return versions.flatMap(({ source, kind, from, to }): Finding[] => {
    const { title, engine } = kindOf(kind)
    if (engine === undefined) return []
    const name = (one: EngineVersion | undefined): string => one?.name ?? 'unknown'
    const isFit = from !== undefined && to !== undefined && !isOlder(to.version, from.version)
    const found: Finding = {
      check: engine.versionCheck,
      outcome: isFit ? 'ok' : 'warning',
      message: `${title} of ${source}: ${name(from)} on ${names.from}, ${name(to)} on ${names.to}`,
    }
    const next = `An older ${title} does not load what a newer one has written: see that ${names.to} has one as new.`
    return [isFit ? found : { ...found, next }]
  })
}

function installed({ machine }: EngineSide, engine: KindEngine): EngineVersion | undefined {
  const said = engine.programs
    .map((program) => machine.programs.get(program))
    .find((one) => one !== undefined)
  return said === undefined ? undefined : engine.parseVersion(said)
}

function containerOf(place: EnginePlace, containers: readonly ContainerLook[]): ContainerLook | undefined {
  if ('service' in place) return containers.find(({ compose }) => compose?.service === place.service)
  return 'container' in place ? containers.find(({ name }) => name === place.container) : undefined
}

async function imageVersion(
  { host, remote }: EngineSide,
  image: string,
  { title, engine }: { readonly title: string; readonly engine: KindEngine },
  signal: AbortSignal,
): Promise<EngineVersion | undefined> {
  const result = await remote.run(
    {
      script: 'services/program',
      patience: 'list',
      args: [image, ...engine.programs],
      privilege: configuredPrivilege(host),
      title: `asking the image of ${title} for its version`,
    },
    { signal },
  )
  return engine.parseVersion(result.stdout.toString('utf8'))
}
