import type { SourceConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import type { MigrationPlan } from '../model/migration-report.ts'
import type { ServerServices } from '../model/server-services.ts'
import { shellWord } from '../model/shell-word.ts'
import { describePrivilege } from '../pull/privilege.ts'
import type { Starts } from '../restore/launch.ts'
import type { SideLook } from './look.ts'
import type { Needs } from './needs.ts'
import { changeFindings, needFindings } from './plan-needs.ts'
import { estimateDowntime, type Estimate, type EstimateInput } from './estimate.ts'
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
  /** Of both hosts. */
  readonly history: EstimateInput['history']
}

/** The plan of a migration, from data alone. A `failed` finding in it stops the migration before anything is touched. */
export function planMigration(input: MigrationInput): MigrationPlan {
  const { from, to } = input
  const estimate = estimateOf(input)
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
    downtime: estimate.downtime,
    downtimeBy: estimate.by,
    rollback: rollbackOf(to),
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

/** On a host that the config does not name, its deployment has to be named. */
function rollbackOf({ host, server }: SideLook): string {
  const where = host.adHoc === true ? ` --deployment ${shellWord(server.deployment.path)}` : ''
  return `relay-backup rollback --host ${host.name}${where}`
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

function estimateOf(input: MigrationInput): Estimate {
  const { cutover, from, to, services, sources, history } = input
  if (!cutover) return { downtime: 0, by: { run: 'none' } }
  const { writers, data } = stopOrder(services.from)
  return estimateDowntime({
    from: from.host.name,
    to: to.host.name,
    bytes: sources.reduce((sum, _source, at) => sum + bytesOf(input, at), 0),
    services: writers.length + data.length,
    hasHealth: to.host.services.health !== undefined,
    history,
  })
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
