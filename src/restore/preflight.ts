import { isDeepStrictEqual } from 'node:util'
import type { RelayError } from '../errors.ts'
import { SourceError, UsageError } from '../errors.ts'
import type { HostConfig, SourceConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import { snapshotId } from '../model/names.ts'
import type { RestorePlan, RestoreStrategy } from '../model/restore-report.ts'
import type { ManifestSource } from '../model/snapshot.ts'
import { locateSource } from '../pull/locate.ts'
import { setBackFinding } from '../pull/set-back.ts'
import type { ServerServices } from '../model/server-services.ts'
import type { HostProbe } from '../remote/contract.ts'
import { configuredPrivilege, type Visit } from '../runs/visit.ts'
import type { LoadTarget, RestorableSource, RestoreContext, RestorePreflight } from '../sources/contract.ts'
import type { MatchKey } from '../sources/kind.ts'
import { kindOf } from '../sources/registry.ts'
import type { Snapshot } from '../vault/contract.ts'
import { besideConfig, isBeside } from './beside.ts'
import { checkFiles, locateArchives, refuseRemoved } from './archives.ts'
import { changedServices, renewsServices } from './compose-check.ts'
import { readContents } from './contents.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { besidesOf, planRestore, type SourceToRestore } from './plan.ts'
import type { VaultFile } from './remember-damage.ts'
import { privilegeToReplace, type ChosenPrivilege } from '../runs/privilege.ts'
import { refusalOf, refuse } from '../runs/refusal.ts'
import { lookAtTargets } from './server/look.ts'
import type { Launch } from './launch.ts'
import { findServices, startsWith, type FoundServices } from './services.ts'
import { recordedImages, versionFindings } from './versions.ts'
import {
  hasOwnPaths,
  targetConfig,
  wantedPaths,
  wantedSources,
  wholeOnly,
  type PathSelection,
  type WantedPath,
} from './wanted.ts'
import { containerFinder } from '../runs/container-finder.ts'
import { findImages } from '../services/versions.ts'

/** What is restored where. */
export interface RestoreRequest {
  readonly host: HostConfig
  readonly snapshot: Snapshot
  readonly sources?: readonly string[] | undefined
  readonly paths: readonly PathSelection[]
  readonly strategy: RestoreStrategy
  /**
   * The source of the host that the one source asked for goes into; default: the one of its name. A name that is no source
   * of the host is one that the data gets beside what is live.
   */
  readonly target?: string | undefined
  readonly dryRun: boolean
  /** Of a merge: unique keys by which rows of databases are known, beside the primary ones. */
  readonly match?: readonly MatchKey[] | undefined
  /** Start services again, and judge them. */
  readonly start: boolean
  /** Take a snapshot of what is replaced first. */
  readonly safety: boolean
  /** Services may be made otherwise than they run, even where neither the server's files nor the snapshot's say how. */
  readonly acceptChanges: boolean
  /** The restore is part of a migration. */
  readonly launch?: Launch | undefined
}

/** A restore as it was planned. */
export interface Preflight {
  readonly plan: RestorePlan
  readonly sources: readonly SourceToRestore[]
  readonly found: FoundServices
  readonly changed: readonly string[]
  /** Compose has judged the files of the snapshot before they were staged. */
  readonly judged?: boolean
  /** The target, with the privilege by which it is replaced. */
  readonly place: Visit
  /** What its server has answered. */
  readonly answers: Answers
}

/** What the vault tells of a source. */
type ReadSource = Pick<SourceToRestore, 'source' | 'contents' | 'archives'> & {
  readonly paths: readonly string[]
}

/** What a server is asked for a restore; it holds for another snapshot, too, that goes to the same places. */
interface Answers {
  /** What they depend on. */
  readonly question: unknown
  readonly configs: ReadonlyMap<string, SourceConfig>
  readonly chosen: ChosenPrivilege
  readonly look: Awaited<ReturnType<typeof lookAtTargets>>
  readonly found: FoundServices
  readonly changed: readonly string[]
  readonly ways: ReadonlyMap<string, RestorePreflight>
  /** Sources that are loaded into a server which does not run. */
  readonly down: ReadonlySet<string>
  readonly versions: readonly Finding[]
}

/**
 * Reads, looks and plans; changes nothing. `before`: of another snapshot, over the same connection; what the server
 * answered then is not asked again where it depends on nothing that differs.
 */
export async function preflight(
  request: RestoreRequest,
  visited: Visit,
  dependencies: RestoreDependencies,
  step: (text: string) => void,
  before?: Pick<Preflight, 'answers'>,
): Promise<Preflight> {
  const { host, snapshot, launch } = request
  const { probe, deployment } = visited
  const read = await readAsked(request, dependencies, step, visited.signal)
  const question = read.map(({ source, paths, contents }) => ({
    name: source.name,
    kind: source.kind,
    paths,
    owners: [...contents.owners].toSorted(),
  }))
  const answers = isDeepStrictEqual(before?.answers.question, question)
    ? before!.answers
    : { question, ...(await askServer(request, visited, read, dependencies, step)) }
  const { configs, look, found, changed, ways, down, chosen, versions } = answers
  const now = dependencies.pull.now()
  const id = launch?.id ?? snapshotId(now)
  const place: Visit = { ...visited, privilege: chosen.privilege }
  const context = restoreContext(place, dependencies, step)
  const sources: SourceToRestore[] = []
  for (const { paths, ...one } of read) {
    const { name } = one.source
    const config = configs.get(name)!
    const wanted = wantedPaths(one.source, config, paths, selectedOf(request, name), deployment)
    const loads = down.has(name) ? [] : await loadsOf({ ...one, config }, request, id, context)
    sources.push({ ...one, config, wanted, ...ways.get(name)!, loads })
  }
  // The restored files may be older than what was there once.
  const setBack = await setBackFinding(dependencies.pull.vault, snapshot.host)
  const plan = planRestore({
    id,
    host,
    snapshot,
    strategy: request.strategy,
    beside: isBeside(request) ? request.target : undefined,
    sources,
    look,
    probe,
    safety: request.safety,
    start: request.start,
    found,
    changed,
    chosen,
    vault: setBack === undefined ? [] : [setBack],
    cannotEncrypt: dependencies.cannotEncrypt,
    versions,
    now,
  })
  return {
    plan,
    sources,
    found,
    changed,
    place,
    answers,
  }
}

/** The source of the host that a source is put into, or beside which. */
function targetName(request: RestoreRequest, { name }: Pick<ManifestSource, 'name'>): string {
  return isBeside(request) ? name : (request.target ?? name)
}

function severalBeside({ name }: ManifestSource, target: string): UsageError {
  return new UsageError(`${name} has several databases, and only one can be ${target}`, {
    source: name,
    next: 'Restore it into another host, or pull them as sources of their own.',
  })
}

/** The members of a source that are asked for; undefined: all of it. */
function selectedOf({ paths, sources }: RestoreRequest, name: string): string[] | undefined {
  const selected = paths.filter((path) => path.source === name).map((path) => path.path)
  return selected.length === 0 || (sources ?? []).includes(name) ? undefined : selected
}

/** Reads the indexes of what is asked for, and finds the archives that they name. */
async function readAsked(
  request: RestoreRequest,
  dependencies: RestoreDependencies,
  step: (text: string) => void,
  signal: AbortSignal,
): Promise<ReadSource[]> {
  const { host, snapshot } = request
  const { pull } = dependencies
  const parts = { ...dependencies, filePath: pull.vault.filePath.bind(pull.vault) }
  const asked = wantedSources(snapshot.manifest.sources, request)
  if ((request.match ?? []).length > 0 && asked.every(({ kind }) => kindOf(kind).mergedInto === undefined)) {
    throw new UsageError('--match is about rows of databases, and none is restored', {
      next: 'Leave out --match, or name the source of a database.',
    })
  }
  for (const source of asked) refuseRemoved(snapshot, source.archives)
  // An index is read only when it is known to be whole: damage would otherwise pass for a wrong identity.
  const indexes = asked.flatMap(({ index }) => (index === undefined ? [] : [{ snapshot, file: index.file }]))
  await checkFiles(indexes, { pull, hashes: true, signal })
  const all = await pull.vault.snapshots(snapshot.host, { retired: true })
  const read: ReadSource[] = []
  for (const source of asked) {
    const selected = selectedOf(request, source.name)
    const kind = kindOf(source.kind)
    if (selected !== undefined && kind.isWhole === true && kind.partsOf === undefined) throw wholeOnly(source)
    step(`reading the index of ${source.name}`)
    const contents = await readContents(snapshot, source, selected, parts)
    const archives = locateArchives(contents.archives, snapshot, source, all)
    const known = host.sources.find((one) => one.name === targetName(request, source))
    const paths =
      contents.header.paths.length > 0
        ? contents.header.paths
        : known === undefined
          ? []
          : kindOf(known.kind).paths(known)
    read.push({ source, contents, archives, paths })
  }
  await checkArchives(read, { pull, hashes: false, signal })
  return read
}

async function askServer(
  request: RestoreRequest,
  visited: Visit,
  read: readonly ReadSource[],
  dependencies: RestoreDependencies,
  step: (text: string) => void,
): Promise<Omit<Answers, 'question'>> {
  const { host, snapshot, launch } = request
  const { remote, probe, deployment, signal } = visited
  step('looking at the targets')
  const configs = new Map<string, SourceConfig>()
  const targets: WantedPath['target'][] = []
  for (const { source, paths, contents } of read) {
    const { name } = source
    const selected = selectedOf(request, name)
    const live = targetConfig(source, targetName(request, source), paths, host, hasOwnPaths(snapshot, host))
    const configured = isBeside(request) ? besideConfig(source, live, host, request.target!) : live
    const found = await locateSource(visited, configured)
    const located =
      request.strategy === 'merge'
        ? (kindOf(source.kind).mergedInto?.(found, request.match ?? []) ?? found)
        : found
    const config =
      selected === undefined
        ? located
        : (kindOf(source.kind).partsOf?.(located, selected, contents.objects ?? []) ?? located)
    configs.set(name, config)
    if (isBeside(request) && paths.length > 1) throw severalBeside(source, request.target!)
    const wanted = wantedPaths(source, config, paths, selected, deployment)
    targets.push(...[...wanted, ...besidesOf(config, wanted)].map(({ target }) => target))
  }
  const { privilege, refused } = await privilegeToReplace(visited, dependencies.pull, {
    targets,
    foreign: isForeign(read, probe),
    services: host.services,
  })
  const look = await lookAtTargets(remote, { deployment, targets, privilege, signal })
  const stops = request.strategy === 'replace' && !isBeside(request)
  const none: FoundServices = { services: { manager: 'none' }, usersLeft: [] }
  const paths = look.targets.map((target) => target.path)
  const where = { deployment: look.deployment.path, paths, secret: dependencies.pull.resolveSecret, signal }
  const found = stops ? (launch?.found ?? (await findServices(remote, host, where))) : none
  const changed = await changedServices(remote, found.services, found.made, { privilege, signal })
  const restore = {
    ...restoreContext({ ...visited, privilege }, dependencies, step),
    renews: renewsServices(found.services, paths),
  }
  const ways = new Map<string, RestorePreflight>()
  const down = new Set<string>()
  for (const { source } of read) {
    const way = await wayOf(source, request, dependencies)
    const config = configs.get(source.name)!
    const asked = await unlessDown(source, way.preflight(restore, config, source.facts), request)
    if (asked === undefined) down.add(source.name)
    ways.set(source.name, asked ?? notYet(source, config, request, found.services))
  }
  // A migration looks at both servers itself.
  const versions =
    stops && launch === undefined
      ? await targetVersions(request, visited, look.deployment.path, dependencies)
      : []
  return { configs, chosen: { privilege, refused }, look, found, changed, ways, down, versions }
}

/** Of a migration: undefined where the server that a source is loaded into does not run yet. */
async function unlessDown(
  { kind }: ManifestSource,
  asking: Promise<RestorePreflight>,
  { launch }: RestoreRequest,
): Promise<RestorePreflight | undefined> {
  const { restore } = kindOf(kind)
  if (launch === undefined || restore.by === 'place') return await asking
  const { downCode } = await restore.open()
  return await asking.catch((error: unknown) => {
    if (error instanceof SourceError && error.code === downCode) return undefined
    throw error
  })
}

/** What is said of a source whose server the migration starts. */
function notYet(
  { name, kind }: ManifestSource,
  config: SourceConfig,
  { host }: RestoreRequest,
  services: ServerServices,
): RestorePreflight {
  const { title, engine } = kindOf(kind)
  const message = `the ${title} of ${name} does not run on ${host.name}`
  const finding: Finding = startsWith(services, engine?.place(config))
    ? {
        check: 'loaded-later',
        outcome: 'ok',
        message: `${message} yet: it is loaded when its service has started, and what it lacks for that is seen only then`,
      }
    : {
        check: 'loaded-source',
        outcome: 'failed',
        message: `${message}, and none of its services with data starts it`,
        next: `Start it, or name what starts it as a service with data in hosts.${host.name}.services.`,
      }
  return { findings: [finding], notes: [] }
}

/** How a source is put back. Throws SourceError for a kind that can't be put back so. */
async function wayOf(
  { name, kind }: ManifestSource,
  { strategy }: RestoreRequest,
  { restorableOf }: RestoreDependencies,
): Promise<Pick<RestorableSource, 'preflight'>> {
  const { title, restore, merge, mergedInto } = kindOf(kind)
  if (strategy === 'merge' && merge !== undefined) return await merge()
  if (restore.by === 'place') return await restorableOf(kind)
  if (strategy === 'merge' && mergedInto === undefined) {
    throw new SourceError('no-merge', `a ${title} source can't be merged into what is there`, {
      source: name,
      next: 'Restore it with --strategy replace.',
    })
  }
  return await restore.open()
}

/** What of a source is loaded, and into what; nothing of a kind that is put in a place. */
export async function loadsOf(
  { source, config, archives }: Pick<SourceToRestore, 'source' | 'config' | 'archives'>,
  { strategy }: Pick<RestoreRequest, 'strategy'>,
  id: string,
  context: RestoreContext,
): Promise<readonly LoadTarget[]> {
  const { restore, mergedInto } = kindOf(source.kind)
  if (restore.by === 'place' || (strategy === 'merge' && mergedInto === undefined)) return []
  const loadable = await restore.open()
  const wanted = { id, archives: archives.map(({ archive }) => archive) }
  return await loadable.targets(context, config, source.facts, wanted)
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
  { pull }: RestoreDependencies,
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

const CORRECT = 'Correct that, then restore again.'

/** What a plan's failed findings refuse it with; undefined when there is none. */
export function refusalOfPlan({ findings, host }: RestorePlan): RelayError | undefined {
  return refusalOf(findings, { host, next: CORRECT })
}

/** Throws {@link refusalOfPlan}. */
export function refuseFailed({ findings, host }: RestorePlan): void {
  refuse(findings, { host, next: CORRECT })
}

/** Everything that is read of the vault for these sources; see {@link checkFiles}. */
export async function checkArchives(
  sources: readonly Pick<SourceToRestore, 'archives'>[],
  options: Parameters<typeof checkFiles>[1],
): Promise<void> {
  await checkFiles(archiveFiles(sources), options)
}

export function archiveFiles(sources: readonly Pick<SourceToRestore, 'archives'>[]): VaultFile[] {
  return sources.flatMap(({ archives }) =>
    archives.map(({ snapshot, archive }) => ({ snapshot, file: archive.file })),
  )
}

/** What the kinds of sources need on the target. */
export function restoreContext(
  place: Visit,
  { pull }: { readonly pull: Pick<RestoreDependencies['pull'], 'resolveSecret'> },
  step: (text: string) => void,
): RestoreContext {
  const { remote, probe, deployment, privilege, host, signal } = place
  // On an empty server the deployment is made by the restore itself.
  return {
    host: remote,
    probe: { ...probe, deployment },
    privilege,
    secret: pull.resolveSecret,
    findContainer: containerFinder(place, deployment),
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
