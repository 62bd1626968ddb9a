import type { HostConfig, SourceConfig } from '../model/config.ts'
import type { PullPlanReport } from '../model/pull-report.ts'
import { expected, RelayError } from '../errors.ts'
import type { HostProbe } from '../remote/contract.ts'
import type { CaptureContext, ExcludedNames } from '../sources/contract.ts'
import type { PullSourceContext } from './capture-archives.ts'
import type { PullDependencies } from './dependencies.ts'
import { SFTP_ONLY } from './access.ts'
import { locateSource } from './locate.ts'
import { describePrivilege, privilegeToRead, type ChosenPrivilege } from './privilege.ts'
import { describeQuiesce, groupByQuiesce, holdRequest } from './quiesce.ts'
import { serverVersions } from './server-versions.ts'
import { namesToProbe, selectSources } from './select-sources.ts'

/** The parts a plan needs: it connects and looks, and touches nothing. */
export type PlanDependencies = Pick<
  PullDependencies,
  | 'connect'
  | 'probe'
  | 'findHelper'
  | 'findVolume'
  | 'checkHold'
  | 'sourceOf'
  | 'resolveSecret'
  | 'findContainer'
  | 'lookAtVersions'
> & {
  /** How a source would be compressed, for a person. */
  readonly describeCompression: (host: HostConfig, probe: HostProbe) => string
}

/** The plans that could be made, and why others could not. */
export interface PullPlans {
  readonly plans: readonly PullPlanReport[]
  readonly failed: readonly RelayError[]
}

/** What `pull` would do on each host; nothing thrown for one keeps another from its plan. Rejects at an abort. */
export async function planPulls(
  hosts: readonly HostConfig[],
  asked: readonly string[] | undefined,
  dependencies: PlanDependencies,
  signal: AbortSignal,
): Promise<PullPlans> {
  const plans: PullPlanReport[] = []
  const failed: RelayError[] = []
  for (const host of hosts) {
    try {
      plans.push(await planHost(host, asked, dependencies, signal))
    } catch (thrown) {
      signal.throwIfAborted()
      failed.push(expected(thrown).withDetails({ host: host.name }))
    }
  }
  return { plans, failed }
}

async function planHost(
  host: HostConfig,
  asked: readonly string[] | undefined,
  dependencies: PlanDependencies,
  signal: AbortSignal,
): Promise<PullPlanReport> {
  await using remote = await dependencies.connect(host, signal)
  const probe = await dependencies.probe(
    remote,
    { deployment: host.deployment, names: namesToProbe(host), sudo: host.sudo },
    signal,
  )
  const deployment = requireDeployment(host, probe)
  const selection = selectSources(host, asked, probe.existing)
  const { findHelper, findVolume } = dependencies
  const place = { host, remote, probe, findHelper, findVolume, signal }
  const sources: SourceConfig[] = []
  for (const source of selection.sources) sources.push(await locateSource(place, source))
  const read = new Map<string, ChosenPrivilege>()
  for (const source of sources) read.set(source.name, await privilegeToRead(place, source))
  const excluded = new Map<string, readonly ExcludedNames[]>()
  for (const source of sources) {
    if (source.kind === 'redis' || source.exclude.length === 0) continue
    const { findExcluded } = await dependencies.sourceOf(source.kind)
    const privilege = read.get(source.name)?.privilege
    const found = await findExcluded?.(listingContext({ ...place, privilege }, dependencies), source).catch(
      // What can't be looked at is told below, or by the pull.
      (error: unknown) => {
        if (error instanceof RelayError && !signal.aborted) return undefined
        throw error
      },
    )
    if (found !== undefined) excluded.set(source.name, found)
  }
  for (const { quiesce } of groupByQuiesce(sources)) {
    if (quiesce !== undefined)
      await dependencies.checkHold(remote, holdRequest({ host, remote, probe }, quiesce), signal)
  }
  const { compose, findings } = await serverVersions({ host, remote, probe }, dependencies, signal)
  return {
    host: host.name,
    deployment,
    compose,
    server:
      probe.access === 'sftp'
        ? SFTP_ONLY
        : `${probe.os} (${probe.arch}), ${probe.user} (uid ${probe.uid})${host.sudo ? ', with sudo' : ''}`,
    sources: sources.map((source) => ({
      source: source.name,
      kind: source.kind,
      what: describeSource(source),
      compression: dependencies.describeCompression(host, probe),
      privilege: describePrivilege(read.get(source.name)?.privilege),
      excludes: excluded.get(source.name),
    })),
    notices: [
      ...findings.map(({ message, next }) => `${message}${next === undefined ? '' : `. ${next}`}`),
      ...[...excluded].flatMap(([source, patterns]) =>
        patterns
          .filter(({ pattern, count }) => count === 0 && !pattern.startsWith('!'))
          .map(({ pattern }) => `nothing of ${source} matches ${pattern} of its exclude`),
      ),
      ...probe.openJournals.map(
        (id) => `restore ${id} is not settled on the server: pull refuses until it is`,
      ),
      ...[...read].flatMap(([source, { refused }]) =>
        refused === undefined ? [] : [`${source} can't be read: ${refused.message}. ${refused.next}`],
      ),
      ...probe.holds.map(
        () =>
          'services are held still there: by a pull that runs, or one that was cut off; pull settles that',
      ),
    ],
  }
}

function listingContext(
  {
    host,
    remote,
    probe,
    privilege,
    signal,
  }: Pick<PullSourceContext, 'host' | 'remote' | 'probe' | 'privilege' | 'signal'>,
  { resolveSecret, findContainer }: PlanDependencies,
): CaptureContext {
  return {
    host: remote,
    probe,
    privilege,
    compression: host.compression,
    secret: resolveSecret,
    findContainer: (reference) =>
      findContainer(remote, host.services, reference, { deployment: probe.deployment, privilege, signal }),
    step: () => {},
    notice: () => {},
    signal,
  }
}

/** The deployment as an absolute path on the server. Throws when it is not there. */
export function requireDeployment(host: HostConfig, probe: HostProbe): string {
  if (probe.deployment !== undefined) return probe.deployment
  throw new RelayError('no-deployment', `there is no directory ${host.deployment} on the server`, {
    host: host.name,
    next: `Correct hosts.${host.name}.deployment in the config; it is as seen by ${
      probe.access === 'sftp' ? 'the SFTP user' : `${probe.user} (uid ${probe.uid}) on the server`
    }.`,
  })
}

function describeSource(source: SourceConfig): string {
  const { quiesce } = source
  return `${describeContent(source)}${quiesce === undefined ? '' : `, ${describeQuiesce(quiesce)}`}`
}

function describeContent(source: SourceConfig): string {
  switch (source.kind) {
    case 'files': {
      const excluded = source.exclude.length === 0 ? '' : `, without ${source.exclude.join(' ')}`
      return `${source.paths.join(' ')}${excluded}`
    }
    case 'volume': {
      const excluded = source.exclude.length === 0 ? '' : `, without ${source.exclude.join(' ')}`
      return `volume ${source.volume}, ${source.paths.join(' ')}${excluded}`
    }
    case 'redis': {
      const { at } = source
      const place =
        'address' in at
          ? `${at.address}:${at.port}`
          : 'socket' in at
            ? `unix:${at.socket}`
            : 'service' in at
              ? at.service
              : at.container
      return `${source.path}, as ${source.capture}, from Redis at ${place}`
    }
  }
}
