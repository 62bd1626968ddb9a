import { LockedError, RelayError } from '../errors.ts'
import type { HostConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import { snapshotId } from '../model/names.ts'
import type { RestorePlan, RestoreStrategy } from '../model/restore-report.ts'
import { locateSource } from '../pull/locate.ts'
import { setBackFinding } from '../pull/set-back.ts'
import type { HostProbe } from '../remote/contract.ts'
import { configuredPrivilege, type Visit } from '../runs/visit.ts'
import type { RestoreContext } from '../sources/contract.ts'
import type { Snapshot } from '../vault/contract.ts'
import { checkFiles, locateArchives, refuseRemoved } from './archives.ts'
import { changedServices, renewsServices } from './compose-check.ts'
import { readContents } from './contents.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { planRestore, type SourceToRestore } from './plan.ts'
import { privilegeToReplace } from '../runs/privilege.ts'
import { lookAtTargets } from './server/look.ts'
import type { Launch } from './launch.ts'
import { findServices, type FoundServices } from './services.ts'
import { recordedImages, versionFindings } from './versions.ts'
import { hasOwnPaths, targetConfig, wantedPaths, wantedSources, type PathSelection } from './wanted.ts'

/** What is restored where. */
export interface RestoreRequest {
  readonly host: HostConfig
  readonly snapshot: Snapshot
  readonly sources?: readonly string[] | undefined
  readonly paths: readonly PathSelection[]
  readonly strategy: RestoreStrategy
  /** The source of the host that the one source asked for goes into; default: the one of its name. */
  readonly target?: string | undefined
  readonly dryRun: boolean
  /** Start services again, and judge them. */
  readonly start: boolean
  /** Take a snapshot of what is replaced first. */
  readonly safety: boolean
  /** Services may be made otherwise than they run, even where neither the server's files nor the snapshot's say how. */
  readonly acceptChanges: boolean
  /** The restore is part of a migration. */
  readonly launch?: Launch | undefined
}

/** Reads, looks and plans; changes nothing. */
export async function preflight(
  request: RestoreRequest,
  visited: Visit,
  dependencies: RestoreDependencies,
  step: (text: string) => void,
): Promise<{
  plan: RestorePlan
  sources: SourceToRestore[]
  found: FoundServices
  changed: readonly string[]
  place: Visit
}> {
  const { host, snapshot, launch } = request
  const { remote, probe, deployment, signal } = visited
  const parts = { ...dependencies, filePath: dependencies.pull.vault.filePath.bind(dependencies.pull.vault) }
  const read: Omit<SourceToRestore, 'findings' | 'notes'>[] = []
  const asked = wantedSources(snapshot.manifest.sources, request)
  for (const source of asked) refuseRemoved(snapshot, source.archives)
  // An index is read only when it is known to be whole: damage would otherwise pass for a wrong identity.
  const indexes = asked.flatMap(({ index }) => (index === undefined ? [] : [{ snapshot, file: index.file }]))
  await checkFiles(indexes, { pull: dependencies.pull, hashes: true, signal })
  const all = await dependencies.pull.vault.snapshots(snapshot.host, { retired: true })
  for (const source of asked) {
    const selected = request.paths.filter((path) => path.source === source.name).map((path) => path.path)
    const whole = selected.length === 0 || (request.sources ?? []).includes(source.name)
    step(`reading the index of ${source.name}`)
    const contents = await readContents(snapshot, source, whole ? undefined : selected, parts)
    const archives = locateArchives(contents.archives, snapshot, source, all)
    const name = request.target ?? source.name
    const known = host.sources.find((one) => one.name === name)
    const paths =
      contents.header.paths.length > 0 ? contents.header.paths : known?.kind === 'redis' ? [known.path] : []
    const config = await locateSource(
      visited,
      targetConfig(source, name, paths, host, hasOwnPaths(snapshot, host)),
      dependencies.pull,
    )
    const wanted = wantedPaths(source, config, paths, whole ? undefined : selected, deployment)
    read.push({ source, contents, archives, wanted, config })
  }
  await checkArchives(read, { pull: dependencies.pull, hashes: false, signal })
  const targets = read.flatMap((source) => source.wanted.map((path) => path.target))
  step('looking at the targets')
  const { privilege, refused } = await privilegeToReplace(visited, dependencies.pull, {
    targets,
    foreign: isForeign(read, probe),
    services: host.services,
  })
  const place: Visit = { ...visited, privilege }
  const look = await lookAtTargets(remote, { deployment, targets, privilege, signal })
  const stops = request.strategy === 'replace'
  const none: FoundServices = { services: { manager: 'none' }, usersLeft: [] }
  const paths = look.targets.map((target) => target.path)
  const where = { deployment: look.deployment.path, paths, signal }
  const found = stops
    ? (launch?.found ?? (await findServices(remote, host, where, dependencies.findContainerServices)))
    : none
  const changed = await changedServices(remote, found.services, found.made, { privilege, signal })
  const restore = {
    ...restoreContext(place, dependencies, step),
    renews: renewsServices(found.services, paths),
  }
  const sources: SourceToRestore[] = []
  for (const one of read) {
    const restorable = await dependencies.restorableOf(one.source.kind)
    const way = request.strategy === 'merge' ? (restorable.merging ?? restorable) : restorable
    sources.push({ ...one, ...(await way.preflight(restore, one.config, one.source.facts)) })
  }
  // A migration looks at both servers itself.
  const versions =
    stops && launch === undefined
      ? await targetVersions(request, visited, look.deployment.path, dependencies)
      : []
  // The restored files may be older than what was there once.
  const setBack = await setBackFinding(dependencies.pull.vault, snapshot.host)
  const now = dependencies.pull.now()
  const plan = planRestore({
    id: launch?.id ?? snapshotId(now),
    host,
    snapshot,
    strategy: request.strategy,
    sources,
    look,
    probe,
    safety: request.safety,
    start: request.start,
    found,
    changed,
    chosen: { privilege, refused },
    vault: setBack === undefined ? [] : [setBack],
    cannotEncrypt: dependencies.cannotEncrypt,
    versions,
    now,
  })
  return { plan, sources, found, changed, place }
}

/** True when some of the files would not belong to the SSH user, who makes them. */
function isForeign(read: readonly Pick<SourceToRestore, 'contents'>[], probe: HostProbe): boolean {
  return read.some(({ contents }) => [...contents.owners].some((uid) => uid !== probe.uid))
}

/** The engines and images of the target, to be compared with those that the snapshot's services ran on. */
async function targetVersions(
  { host, snapshot }: RestoreRequest,
  { remote, probe, signal }: Visit,
  deployment: string,
  { pull, findImages }: RestoreDependencies,
): Promise<readonly Finding[]> {
  const { server } = snapshot.manifest
  const privilege = configuredPrivilege(host)
  const { versions } = await pull.lookAtVersions(remote, host.services, {
    deployment,
    sudo: host.sudo,
    signal,
  })
  const names = versions['docker-engine'] === undefined ? [] : recordedImages(server)
  const images = names.length === 0 ? new Map() : await findImages(remote, names, { privilege, signal })
  return versionFindings(server, { name: host.name, arch: probe.arch, versions, images })
}

/** What the failed findings of a plan refuse it with; undefined when there is none. */
export function refusalOf(plan: RestorePlan): RelayError | undefined {
  const failed = plan.findings.filter((finding) => finding.outcome === 'failed')
  const [first] = failed
  if (first === undefined) return undefined
  if (first.check === 'restore-runs') {
    return new LockedError(first.message, { host: plan.host, next: first.next })
  }
  return new RelayError(`preflight-${first.check}`, failed.map((finding) => finding.message).join('; '), {
    host: plan.host,
    next: first.next ?? 'Correct that, then restore again.',
  })
}

/** Throws {@link refusalOf} a plan. */
export function refuseFailed(plan: RestorePlan): void {
  const refusal = refusalOf(plan)
  if (refusal !== undefined) throw refusal
}

/** Everything that is read of the vault for these sources; see {@link checkFiles}. */
export async function checkArchives(
  sources: readonly Pick<SourceToRestore, 'archives'>[],
  options: Parameters<typeof checkFiles>[1],
): Promise<void> {
  const archives = sources.flatMap((source) => source.archives)
  await checkFiles(
    archives.map(({ snapshot, archive }) => ({ snapshot, file: archive.file })),
    options,
  )
}

/** What the kinds of sources need on the target. */
export function restoreContext(
  { remote, probe, deployment, privilege, host, signal }: Visit,
  { pull }: RestoreDependencies,
  step: (text: string) => void,
): RestoreContext {
  // On an empty server the deployment is made by the restore itself.
  return {
    host: remote,
    probe: { ...probe, deployment },
    privilege,
    secret: pull.resolveSecret,
    findContainer: (reference) =>
      pull.findContainer(remote, host.services, reference, {
        deployment,
        privilege: configuredPrivilege(host),
        signal,
      }),
    starter: starterOf(host.services),
    step,
    signal,
  }
}

function starterOf(services: HostConfig['services']): RestoreContext['starter'] {
  if (services.manager === 'command') return { line: services.start }
  if (services.manager === 'systemd') return { units: [...new Set([...services.data, ...services.stop])] }
  return undefined
}
