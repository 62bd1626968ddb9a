import type { SourceConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import type { MigrationPlan } from '../model/migration-report.ts'
import type { ServerServices } from '../model/server-services.ts'
import { describePrivilege } from '../pull/privilege.ts'
import type { Starts } from '../restore/launch.ts'
import type { SideLook } from './look.ts'
import type { Needs } from './needs.ts'
import { changeFindings, needFindings } from './plan-needs.ts'
import { engineFindings, type EngineVersions } from './engine-versions.ts'
import { containerFindings } from './plan-containers.ts'
import type { LoadedLook } from './look-loads.ts'
import { loadFindings, replacedNames } from './plan-loads.ts'
import { serverFindings } from './plan-servers.ts'

/** A source, and where it lies on both servers: absolute paths. */
export interface MovedSource {
  readonly source: SourceConfig
  readonly paths: readonly string[]
  readonly targets: readonly string[]
}

/** A volume that TO lacks, and why, for people. */
export interface MissingVolume {
  readonly volume: string
  readonly why: string
  readonly next: string | undefined
}

/** What {@link planMigration} decides from. */
export interface MigrationInput {
  readonly id: string
  readonly from: SideLook
  readonly to: SideLook
  readonly cutover: boolean
  /** All services on TO, and not only the data services. */
  readonly start: boolean
  readonly replace: boolean
  /** FROM's services; what is started on TO by the same order. */
  readonly services: { readonly from: ServerServices; readonly to: ServerServices }
  readonly sources: readonly MovedSource[]
  /** FROM's images on TO: their ids, undefined for those that are not there. */
  readonly images: ReadonlyMap<string, string | undefined>
  readonly engines: readonly EngineVersions[]
  /** The sources that are loaded into servers which run. */
  readonly loads: readonly LoadedLook[]
  /** Undefined where no containers run the services. */
  readonly needs: Needs | undefined
  /** FROM's services that Compose there would not make as they run. */
  readonly changed: readonly string[]
  readonly missingVolumes: readonly MissingVolume[]
  /** Compose on TO makes those. */
  readonly volumesMade: boolean
  /** What no source holds of them may stay behind. */
  readonly acceptMissing: boolean
}

/** The plan of a migration, from data alone. A `failed` finding in it stops the migration before anything is touched. */
export function planMigration(input: MigrationInput): MigrationPlan {
  const { from, to } = input
  return {
    id: input.id,
    from: from.host.name,
    to: to.host.name,
    cutover: input.cutover,
    start: starts(input),
    deployment: { from: from.server.deployment.path, to: to.server.deployment.path },
    sources: input.sources.map(({ source, targets }, at) => ({
      source: source.name,
      kind: source.kind,
      bytes: bytesOf(input, at),
      targets,
    })),
    services: stopOrder(input.services.from),
    compose: projects(input),
    downtime: estimateDowntime(input),
    replaced: [
      ...to.server.targets.filter(({ type }) => type !== 'absent').map(({ path }) => path),
      ...input.loads.flatMap(replacedNames),
    ],
    findings: [
      ...serverFindings(input),
      ...privilegeFindings(input),
      ...serviceFindings(input),
      ...loadFindings(input),
      ...engineFindings(input.engines, { from: from.host.name, to: to.host.name }),
      ...containerFindings(input),
      ...needFindings(input),
      ...changeFindings(input),
      ...volumeFindings(input),
    ],
  }
}

function projects({ from, to }: MigrationInput): MigrationPlan['compose'] {
  const [source, target] = [from.containers?.named, to.containers?.named]
  return source === undefined || target === undefined ? undefined : { from: source, to: target }
}

function volumeFindings({ to, missingVolumes, volumesMade }: MigrationInput): Finding[] {
  return missingVolumes.map(({ volume, why, next }): Finding => {
    const made = `the volume ${volume} is not on ${to.host.name} yet: Compose makes it there from the files of this deployment, before anything stops (up --no-start); it stays when the migration is undone`
    if (volumesMade) return { check: 'volume', outcome: 'ok', message: made }
    const isCompose = to.host.services.manager === 'compose'
    const because =
      isCompose && (to.containers?.containers ?? []).length > 0
        ? ', and Compose is not asked to make it: it would make the containers anew that are there'
        : isCompose
          ? ', and nothing says which Compose files would make it'
          : ''
    return { check: 'volume-missing', outcome: 'failed', message: `${why}${because}`, next }
  })
}

/** ms of a cutover that takes no time for its data: the last pull, the locks, the proof, what is asked in between. */
const CUTOVER = 3000
/** ms, of a service that is stopped here and made there. */
const EACH_SERVICE = 1500
/** Bytes per ms that are pulled, brought, unpacked and proven one after another; low on purpose. */
const MOVE_RATE = 20_000
/** ms in which a service must not die, where nothing tells that it is healthy. */
const SETTLE = 3000

function estimateDowntime(input: MigrationInput): number {
  const { cutover, to, services } = input
  if (!cutover) return 0
  const { writers, data } = stopOrder(services.from)
  const bytes = input.sources.reduce((sum, _source, at) => sum + bytesOf(input, at), 0)
  const settle = to.host.services.health === undefined ? SETTLE : 0
  return CUTOVER + EACH_SERVICE * (writers.length + data.length) + settle + Math.round(bytes / MOVE_RATE)
}

/** One line of sh starts everything: without `--start` that would be two live apps. */
function starts({ cutover, start, services }: MigrationInput): Starts {
  if (services.to.manager === 'none') return 'none'
  if (cutover || start) return 'all'
  return services.to.manager === 'command' ? 'none' : 'data'
}

/** Paths of FROM's look are those of its sources, one after another. */
function bytesOf({ from, sources }: MigrationInput, at: number): number {
  const begin = sources.slice(0, at).reduce((sum, { paths }) => sum + paths.length, 0)
  const own = from.server.targets.slice(begin, begin + (sources[at]?.paths.length ?? 0))
  return own.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** In the order of stopping, which is the reverse of starting. */
export function stopOrder(services: ServerServices): MigrationPlan['services'] {
  switch (services.manager) {
    case 'none':
      return { manager: 'none', writers: [], data: [] }
    case 'command':
      return { manager: 'command', writers: [services.stop], data: [] }
    case 'systemd':
    case 'docker':
    case 'compose':
      return {
        manager: services.manager,
        writers: services.rest.toReversed(),
        data: services.data.toReversed(),
      }
  }
}

function serviceFindings(input: MigrationInput): Finding[] {
  const { from, to, cutover, services } = input
  const findings: Finding[] = []
  if (cutover) {
    for (const [side, manager] of [
      [from, services.from.manager],
      [to, services.to.manager],
    ] as const) {
      if (manager !== 'none') continue
      findings.push({
        check: 'services',
        outcome: 'failed',
        message: `nothing says how the services of ${side.host.name} are stopped and started`,
        next: `Set hosts.${side.host.name}.services in the config, or migrate without --cutover.`,
      })
    }
    if (to.host.services.health === undefined) {
      findings.push({
        check: 'health',
        outcome: 'warning',
        message: `${to.host.name} has no health URL: its services count as good when their containers' own checks pass, or when they run for some seconds`,
        next: `Set hosts.${to.host.name}.services.health.`,
      })
    }
  } else if (starts(input) === 'none') {
    findings.push({
      check: 'facts',
      outcome: 'warning',
      message: `nothing is started on ${to.host.name}, so no database is compared`,
      next:
        services.to.manager === 'none'
          ? `Set hosts.${to.host.name}.services in the config.`
          : 'Its services are one command: add --start to start them all.',
    })
  }
  return findings
}

/** As whom it is done, where that is not the SSH user; FROM's services can't be stopped where nobody may write there. */
function privilegeFindings({ from, to, cutover }: MigrationInput): Finding[] {
  return [from, to].flatMap(({ host, chosen }): Finding[] => {
    const who = describePrivilege(chosen.privilege)
    if (who !== undefined && chosen.privilege !== 'sudo')
      return [{ check: 'privilege', outcome: 'ok', message: `${host.name}: ${who}` }]
    // What TO lacks, its restore says.
    if (chosen.refused === undefined || host !== from.host || !cutover) return []
    return [
      {
        check: 'privilege',
        outcome: 'failed',
        message: `${host.name} has a deployment that is not the SSH user's: ${chosen.refused.message}`,
        next: chosen.refused.next,
      },
    ]
  })
}
