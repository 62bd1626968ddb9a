import { posix } from 'node:path'
import { RemoteError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import { pathFromJson } from '../model/path-bytes.ts'
import { DEFAULT_FILES, defaultName, homeOf, OVERRIDES, projectName } from '../services/compose-project.ts'
import { judgeCompose, judgeFresh, renewsServices, SENT } from './compose-check.ts'
import { sourceIndex } from './contents.ts'
import type { RestoreDependencies } from './dependencies.ts'
import type { SourceToRestore } from './plan.ts'
import type { Preflight, RestoreRequest } from './preflight.ts'
import { readFiles } from './read-files.ts'
import { recordedCompose } from './versions.ts'

/** What Compose reads is short. Bytes of a file that is sent for it. */
const LONGEST = 1024 * 1024

/** A file of the snapshot that Compose may read when it is in its place. */
interface SmallFile {
  readonly from: SourceToRestore
  /** Member in latin1. */
  readonly member: string
  readonly target: string
}

/** What Compose has said of the snapshot's files before they were staged. */
export interface JudgedAhead {
  /** Those of the plan, with what was judged. */
  readonly findings: readonly Finding[]
  /** False where that can be told only when all of it is staged. */
  readonly whole: boolean
}

/** Whether a restore brings files that Compose would read, so that it can be asked about them. */
export function isForCompose(looked: Preflight, request: RestoreRequest): boolean {
  return leadsTo(looked) || freshFiles(looked, request).length > 0
}

/**
 * Judges before anything is staged what the target's Compose would make of the snapshot's files, also where nothing of
 * the project is there: those that it reads go from the archive into a private directory there, and are gone with the
 * answer. Throws RemoteError, and DamageError for an archive that can't be read.
 */
export async function judgeAhead(
  looked: Preflight,
  request: RestoreRequest,
  dependencies: RestoreDependencies,
): Promise<JudgedAhead> {
  const judge = leadsTo(looked) ? judgeKnown : judgeNew
  const judged = await judge(looked, request, dependencies).catch((error: unknown) => {
    // Where nothing of the project runs, nothing of it is started.
    if (error instanceof RemoteError && error.code === 'compose-missing' && !runs(looked)) return []
    throw error
  })
  const { findings } = looked.plan
  if (judged === undefined) return { findings, whole: false }
  return {
    findings: [...findings.filter(({ check }) => check !== 'compose-changes'), ...judged],
    whole: true,
  }
}

function runs({ found }: Preflight): boolean {
  return (found.made?.services.length ?? 0) > 0
}

/** It is known which files Compose reads, and the restore brings some of them. */
function leadsTo({ plan, found }: Preflight): boolean {
  const targets = plan.units.map(({ target }) => target)
  return renewsServices(found.services, targets)
}

async function judgeKnown(
  looked: Preflight,
  { snapshot, acceptChanges }: RestoreRequest,
  dependencies: RestoreDependencies,
): Promise<readonly Finding[] | undefined> {
  const { plan, found, changed, place } = looked
  const { services, made } = found
  if (services.manager !== 'compose') return undefined
  const { signal, privilege } = place
  const unseen = plan.units.filter(
    ({ target, onlyAside }) => !onlyAside && made?.unseen.includes(target) === true,
  )
  const targets = [...composeFiles(services.args), ...unseen.map(({ target }) => target)]
  const wanted = locate(looked, targets)
  const read = await readSmall(wanted, snapshot, dependencies, signal)
  const contents = wanted.flatMap((file) => read.get(file) ?? [])
  if (contents.length < wanted.length) return undefined
  const units = wanted.map(({ target }, at) => ({ target, staged: `${SENT}/${at}` }))
  return await judgeCompose(place.remote, services, units, {
    made,
    changed,
    acceptChanges,
    recorded: recordedCompose(snapshot.manifest.server),
    privilege,
    signal,
    sent: {
      deployment: place.deployment,
      contents: new Map(contents.map((content, at) => [String(at), content])),
    },
  })
}

/** Files of a project that Compose finds by itself: undefined when the snapshot has none that it begins with. */
async function judgeNew(
  looked: Preflight,
  request: RestoreRequest,
  dependencies: RestoreDependencies,
): Promise<readonly Finding[] | undefined> {
  const { snapshot } = request
  const { place } = looked
  const home = freshHome(looked, request)
  if (home === undefined) return undefined
  const read = await readSmall(freshFiles(looked, request), snapshot, dependencies, place.signal)
  const contents = new Map(
    [...read].map(([{ target }, bytes]) => [posix.relative(home.directory, target), bytes]),
  )
  const begins = home.file === undefined ? DEFAULT_FILES : [home.file]
  if (!begins.some((name) => contents.has(name))) return undefined
  const { remote, deployment, privilege, signal } = place
  const recorded = recordedCompose(snapshot.manifest.server)
  const options = { deployment, recorded, privilege, signal }
  return [(await judgeFresh(remote, home.project, { ...home, contents }, options)) ?? []].flat()
}

/** Where a project will lie that Compose is not led to; undefined where there is none, or the restore stops nothing. */
function freshHome(
  { found, answers }: Preflight,
  { host, strategy, launch, target }: RestoreRequest,
): { readonly directory: string; readonly file: string | undefined; readonly project: string } | undefined {
  const config = host.services
  if (config.manager !== 'compose' || found.services.manager === 'docker') return undefined
  if (strategy !== 'replace' || launch !== undefined || target !== undefined) return undefined
  const deployment = answers.look.deployment.path
  const directory = homeOf({ host: host.name, deployment, config })
  return {
    directory,
    file: config.file === undefined ? undefined : posix.basename(config.file),
    project: config.project === undefined ? defaultName(directory) : projectName(config.project),
  }
}

/** What the restore brings into that directory by name, and what Compose reads there unasked. */
function freshFiles(looked: Preflight, request: RestoreRequest): readonly SmallFile[] {
  const home = freshHome(looked, request)
  if (home === undefined) return []
  const { directory, file } = home
  const names = [...DEFAULT_FILES, ...OVERRIDES, '.env', ...(file === undefined ? [] : [file])]
  const own = locate(
    looked,
    names.map((name) => posix.join(directory, name)),
  )
  if (own.length === 0) return []
  const named = looked.plan.units.map(({ target }) => target).filter((target) => isWithin(target, directory))
  return locate(
    looked,
    [...own, ...locate(looked, named)].map(({ target }) => target),
  ).filter(({ target }) => target !== directory)
}

/** Where in the snapshot these files are; those that the restore does not bring are left out. */
function locate({ plan, sources }: Preflight, targets: readonly string[]): readonly SmallFile[] {
  return [...new Set(targets)].flatMap((target): SmallFile[] => {
    const unit = plan.units.find((one) => !one.onlyAside && isWithin(target, one.target))
    const from = sources.find(({ source }) => source.name === unit?.source)
    if (unit === undefined || from === undefined) return []
    const member = Buffer.from(unit.member + target.slice(unit.target.length)).toString('latin1')
    return [{ from, member, target }]
  })
}

/** The files that Compose is led to. */
function composeFiles(args: readonly string[]): readonly string[] {
  const values = (flag: string) => args.filter((_arg, at) => args[at - 1] === flag)
  const own = values('--env-file')
  const env = own.length > 0 ? own : values('--project-directory').map((path) => posix.join(path, '.env'))
  return [...values('--file'), ...env]
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`)
}

/** The content of each that is a file, is not too long, and is whole. Throws DamageError. */
async function readSmall(
  files: readonly SmallFile[],
  snapshot: RestoreRequest['snapshot'],
  { pull, decryptor, openArchive }: RestoreDependencies,
  signal: AbortSignal,
): Promise<ReadonlyMap<SmallFile, Buffer>> {
  const parts = { vault: pull.vault, decryptor, openArchive }
  const filePath = pull.vault.filePath.bind(pull.vault)
  const contents = new Map<SmallFile, Buffer>()
  for (const from of new Set(files.map((file) => file.from))) {
    const { source } = from
    const own = files.filter((file) => file.from === from)
    const small = new Set<string>()
    for await (const { path, type, size } of sourceIndex(snapshot, source, { ...parts, filePath })) {
      const name = pathFromJson(path).toString('latin1')
      if (type === 'file' && size <= LONGEST && own.some(({ member }) => member === name)) small.add(name)
    }
    if (small.size === 0) continue
    let pieces: Buffer[] = []
    for await (const piece of readFiles({ snapshot, source }, small, parts, signal)) {
      if (piece.kind === 'begin') pieces = []
      else if (piece.kind === 'bytes') pieces.push(Buffer.from(piece.bytes))
      // Damage is told by what unpacks all of it.
      else if (piece.proven) {
        const member = piece.entry.path.toString('latin1')
        for (const file of own) if (file.member === member) contents.set(file, Buffer.concat(pieces))
      }
    }
  }
  return contents
}
