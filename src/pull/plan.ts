import { expected, InterruptedError, LockedError, RelayError } from '../errors.ts'
import type { HostConfig, SourceConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import type { PullPlanReport } from '../model/pull-report.ts'
import { kindOf } from '../sources/registry.ts'
import type { HostProbe } from '../remote/contract.ts'
import type { Vault } from '../vault/contract.ts'
import { asType } from './capture-type.ts'
import type { PullDependencies, PullOptions } from './dependencies.ts'
import { freshEnough } from './freshness.ts'
import { SFTP_ONLY } from '../runs/access.ts'
import { visit } from '../runs/visit.ts'
import { lookAtSources, type LookDependencies } from './look-at-sources.ts'
import { describePrivilege } from './privilege.ts'
import { describeQuiesce } from './quiesce.ts'
import { lookAtDeploymentLock } from '../remote/deployment-lock.ts'
import { namesToProbe, selectSources } from './select-sources.ts'
import { serverVersions } from './server-versions.ts'

/** The parts a plan needs: it connects and looks, and touches nothing. */
export type PlanDependencies = Pick<PullDependencies, 'connect' | 'probe' | 'lookAtVersions'> &
  LookDependencies & {
    /** Undefined where there is none yet. */
    readonly vault: Pick<Vault, 'lookAtLock' | 'snapshots'> | undefined
    /** Throws what keeps so many new files from being written to the vault; absent where none is written. */
    readonly insistOnRoom?: ((files: number) => Promise<void>) | undefined
    readonly now: () => Date
    /** How a source would be compressed, for a person. */
    readonly describeCompression: (host: HostConfig, probe: HostProbe) => string
  }

/**
 * What `pull` would do on each host, and with which outcome. The plan of a host that can't be pulled says so, and an
 * error of one host keeps no other host from its plan. Throws InterruptedError.
 */
export async function planPulls(
  hosts: readonly HostConfig[],
  { sources: asked, ifOlderThan, type }: Pick<PullOptions, 'sources' | 'ifOlderThan' | 'type'>,
  dependencies: PlanDependencies,
  signal: AbortSignal,
): Promise<PullPlanReport[]> {
  const plans: PullPlanReport[] = []
  for (const host of hosts) {
    try {
      const age = await ageOf(host, ifOlderThan, dependencies)
      plans.push(
        age === undefined
          ? await planHost(host, { sources: asked, type }, dependencies, signal)
          : { host: host.name, outcome: 'skipped', age, sources: [], notices: [] },
      )
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof InterruptedError) throw error
      plans.push({
        host: host.name,
        outcome: error instanceof LockedError ? 'locked' : 'failed',
        sources: [],
        notices: [],
        error: expected(error).withDetails({ host: host.name }),
      })
    }
  }
  return plans
}

/** The age of the last snapshot where the pull is not due. Throws LockedError when another run works on the host. */
async function ageOf(
  { name }: HostConfig,
  ifOlderThan: number | undefined,
  { vault, now }: PlanDependencies,
): Promise<number | undefined> {
  if (vault === undefined) return undefined
  await vault.lookAtLock(name)
  return ifOlderThan === undefined ? undefined : freshEnough(await vault.snapshots(name), ifOlderThan, now())
}

async function planHost(
  host: HostConfig,
  { sources: asked, type }: Pick<PullOptions, 'sources' | 'type'>,
  dependencies: PlanDependencies,
  signal: AbortSignal,
): Promise<PullPlanReport> {
  await using place = await visit(
    host,
    { names: namesToProbe(host), insists: true, looksOnly: true },
    dependencies,
    signal,
  )
  const { probe, deployment } = place
  const selection = asType(host, selectSources(host, asked, probe.existing), type, asked)
  const open = openJournalsOf(host, probe)
  if (open === undefined && probe.access === 'shell')
    await lookAtDeploymentLock(place.remote, deployment, { sudo: host.sudo, signal })
  const looks = await lookAtSources(place, selection.sources, dependencies, { excludes: true })
  const { compose, findings } = await serverVersions(place, dependencies)
  const failed = looks.filter(({ error }) => error !== undefined).length
  const error = open ?? (await noRoom(looks.length - failed, dependencies, signal))
  return {
    host: host.name,
    outcome:
      error !== undefined || failed === looks.length
        ? 'failed'
        : failed > 0 || looks.some(({ lacks }) => lacks)
          ? 'partial'
          : 'done',
    deployment,
    compose,
    server:
      probe.access === 'sftp'
        ? SFTP_ONLY
        : `${probe.os} (${probe.arch}), ${probe.user} (uid ${probe.uid})${host.sudo ? ', with sudo' : ''}`,
    sources: looks.map(({ source, chosen, excludes, error }) => ({
      source: source.name,
      kind: source.kind,
      what: describeSource(source),
      compression: dependencies.describeCompression(host, probe),
      privilege: describePrivilege(chosen?.privilege),
      excludes,
      error,
    })),
    notices: [
      ...((place.remote.notHonoured ?? []).length === 0
        ? []
        : [`not honoured of OpenSSH's config: ${place.remote.notHonoured?.map(printable).join(', ')}`]),
      ...findings.map(({ message, next }) => `${message}${next === undefined ? '' : `. ${next}`}`),
      ...looks.flatMap(({ notices }) => notices),
      ...looks.flatMap(({ source, excludes = [] }) =>
        excludes
          .filter(({ pattern, count }) => count === 0 && !pattern.startsWith('!'))
          .map(({ pattern }) => `nothing of ${source.name} matches ${pattern} of its exclude`),
      ),
      ...probe.quiesced.map(
        () =>
          'services are held still there: by a pull that runs, or one that was cut off; pull settles that',
      ),
    ],
    error: error?.withDetails({ host: host.name }),
  }
}

/** Why the vault takes no snapshot of so many sources. Each of them has an archive and an index. */
async function noRoom(
  sources: number,
  { insistOnRoom }: PlanDependencies,
  signal: AbortSignal,
): Promise<RelayError | undefined> {
  if (sources === 0) return undefined
  try {
    await insistOnRoom?.(2 * sources + 2)
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    return expected(error)
  }
}

/** Why a deployment between two states is not pulled (docs/design/pull.md); undefined where it is not. */
export function openJournalsOf(host: HostConfig, probe: HostProbe): RelayError | undefined {
  if (probe.openJournals.length === 0) return undefined
  return new RelayError(
    'open-journal',
    `a restore is not settled on the server: ${probe.openJournals.join(', ')}`,
    {
      host: host.name,
      next: `Wait for it to end, or settle it with: relay-backup rollback --host ${host.name}`,
    },
  )
}

function describeSource(source: SourceConfig): string {
  const { quiesce } = source
  return `${kindOf(source.kind).describe(source)}${quiesce === undefined ? '' : `, ${describeQuiesce(quiesce)}`}`
}
