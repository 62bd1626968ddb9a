import { posix } from 'node:path'
import { SourceError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import type { NamedProject } from '../model/server-services.ts'
import { printable } from '../model/path-bytes.ts'
import type { ComposeProject, ComposeTool, ContainerLook, DockerLook } from './contract.ts'
import { isUp } from './docker-paths.ts'

/** The files that Compose looks for when none is named, and the overrides that it adds to them. */
export const DEFAULT_FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml']
export const OVERRIDES = DEFAULT_FILES.map((name) => name.replace('compose.', 'compose.override.'))

/** What a person on that server types for Compose; undefined where neither version is there. */
export function composeTool({ compose }: Pick<DockerLook, 'compose'>): ComposeTool | undefined {
  if (compose.v2 !== undefined) return 'docker compose'
  return compose.v1 === undefined ? undefined : 'docker-compose'
}

/** The deployment that is meant. */
export interface ProjectPlace {
  readonly host: string
  /** Absolute, symlinks resolved. */
  readonly deployment: string
  readonly config: { readonly project?: string | undefined; readonly file?: string | undefined }
}

/** The directory that Compose is, or would be, run in for a deployment. */
export function homeOf({ deployment, config }: ProjectPlace): string {
  return config.file === undefined ? deployment : posix.dirname(posix.resolve(deployment, config.file))
}

/**
 * The names of the projects whose containers were made in the deployment, in order; where one is configured, that one
 * if it is among them.
 */
export function projectsHere(look: DockerLook, place: ProjectPlace): readonly string[] {
  const named = place.config.project === undefined ? undefined : projectName(place.config.project)
  const here = parts(look).filter((container) => isHere(container, place))
  return [...new Set(here.flatMap(({ compose }) => compose?.project ?? []))]
    .filter((project) => named === undefined || project === named)
    .sort()
}

/**
 * The deployment's own project of this name: containers that are labelled with another directory or other files are
 * not in it, whatever their project is called.
 */
export function projectOf(look: DockerLook, place: ProjectPlace, project: string): ComposeProject {
  const { deployment, config } = place
  const named = parts(look).filter(({ compose }) => compose?.project === project)
  const elsewhere = named.filter(
    (container) => container.compose?.directory !== undefined && !isHere(container, place),
  )
  const here = named.filter((container) => !elsewhere.includes(container))
  const configured = config.file === undefined ? undefined : posix.resolve(deployment, config.file)
  const { containers, files, problem } = ofOneSet(here, configured, place)
  const labels = newest(containers)?.compose
  const directory = labels?.directory ?? homeOf(place)
  const read = files.length > 0 ? files : configured === undefined ? [] : [configured]
  return {
    project,
    containers,
    elsewhere,
    problem,
    ...leadTo(project, directory, read, labels?.envFiles ?? []),
  }
}

/**
 * One directory may hold several apps of one project's name, by files that have nothing in common
 * (`-f monitoring.yml`). Containers that were left as they are keep the list of an earlier `up`, so lists that share a
 * file are of one app, and the newest container has the list that counts.
 */
function ofOneSet(
  here: readonly ContainerLook[],
  configured: string | undefined,
  place: ProjectPlace,
): Pick<ComposeProject, 'containers' | 'files' | 'problem'> {
  const listed = here.filter(({ compose }) => (compose?.files.length ?? 0) > 0)
  if (listed.length === 0) return { containers: here, files: [], problem: undefined }
  const apps = connected(listed)
  const meant =
    configured === undefined
      ? apps.filter((app) => app.files.some((file) => isDefault(file, place)))
      : apps.filter((app) => app.files.includes(configured))
  const running = apps.filter((app) => app.containers.some(isUp))
  const [app = apps[0]!, second] = meant.length > 0 ? meant : running.length > 0 ? running : apps
  const files = newest(app.containers)?.compose?.files ?? []
  // A container whose labels name no files belongs to whichever app is meant.
  const containers = here.filter((one) => app.containers.includes(one) || !listed.includes(one))
  const problem =
    configured !== undefined && (meant.length === 0 || !isSame(configured, files))
      ? differs(place, configured, files)
      : configured === undefined && meant.length === 0 && second !== undefined
        ? ambiguous(place, apps)
        : undefined
  return { containers, files, problem }
}

interface App {
  readonly files: readonly string[]
  readonly containers: readonly ContainerLook[]
}

/** Groups of containers whose lists of files share a file, directly or through other containers. */
function connected(containers: readonly ContainerLook[]): readonly App[] {
  let apps: App[] = []
  for (const container of containers) {
    const files = container.compose?.files ?? []
    const joined = apps.filter((app) => app.files.some((file) => files.includes(file)))
    apps = [
      ...apps.filter((app) => !joined.includes(app)),
      {
        files: [...new Set([...joined.flatMap((app) => app.files), ...files])],
        containers: containers.filter(
          (one) => one === container || joined.some((app) => app.containers.includes(one)),
        ),
      },
    ]
  }
  return apps
}

/**
 * A configured file stands for itself. One that Compose would find by itself stands for the override beside it, too.
 */
function isSame(configured: string, files: readonly string[]): boolean {
  const [first, second, third] = files
  if (first !== configured || third !== undefined) return false
  if (second === undefined) return true
  return (
    DEFAULT_FILES.includes(posix.basename(configured)) &&
    posix.dirname(second) === posix.dirname(configured) &&
    OVERRIDES.includes(posix.basename(second))
  )
}

function isDefault(file: string, place: ProjectPlace): boolean {
  return posix.dirname(file) === homeOf(place) && DEFAULT_FILES.includes(posix.basename(file))
}

function differs({ host }: ProjectPlace, configured: string, files: readonly string[]): Finding {
  return {
    check: 'compose-files',
    outcome: 'failed',
    message: `what runs was made from ${files.map(printable).join(', ')}, and the config says ${printable(configured)}`,
    next: `Remove hosts.${host}.services.file from the config: the files that the containers were made from are taken then.`,
  }
}

function ambiguous({ host, deployment }: ProjectPlace, apps: readonly App[]): Finding {
  const sets = apps.map(({ files }) => files.map(printable).join(' with '))
  return {
    check: 'compose-files',
    outcome: 'failed',
    message: `several apps run from ${printable(deployment)}: of ${sets.join('; of ')}`,
    next: `Set hosts.${host}.services.file to the file of the one that is meant.`,
  }
}

/**
 * Compose knows containers by the names of their project and service alone: a container that it makes anew would take
 * the place of one that is run from another directory. Undefined where there is no such container.
 */
export function takenElsewhere(
  host: string,
  { project, directory, elsewhere }: ComposeProject,
  services: readonly string[],
): Finding | undefined {
  const taken = elsewhere.filter(({ compose }) => services.includes(compose?.service ?? ''))
  if (taken.length === 0) return undefined
  const places = [...new Set(taken.map(({ compose }) => compose?.directory ?? '?'))]
  return {
    check: 'project-taken',
    outcome: 'failed',
    message: `${taken.map(({ name }) => printable(name)).join(', ')} of ${places.map(printable).join(', ')} belongs to a Compose project of the same name, ${project}, as ${printable(directory)}`,
    next: `Give this one a name of its own: COMPOSE_PROJECT_NAME in its .env, or hosts.${host}.services.project.`,
  }
}

/** The error for several projects that are run from one directory, when nothing says which one is meant. */
export function severalProjects({ host, ...place }: ProjectPlace, projects: readonly string[]): SourceError {
  return new SourceError(
    'project-ambiguous',
    `Containers of several Compose projects come from ${homeOf({ host, ...place })} on ${host}: ${projects.join(', ')}`,
    { host, next: `Set hosts.${host}.services.project to the one that is meant` },
  )
}

/** The error for a place where a project is needed and none is known. */
export function unknownProject(host: string, deployment: string): SourceError {
  return new SourceError('project-unknown', `No Compose project is known in ${deployment} on ${host}`, {
    host,
    next: `Correct hosts.${host}.deployment, or set hosts.${host}.services.file to its Compose file`,
  })
}

/** For plans and reports. */
export function nameProject({ project, directory, files, containers }: ComposeProject): NamedProject {
  const state = containers.some(isUp) ? 'up' : containers.length > 0 ? 'stopped' : 'down'
  return { project, directory, files, state }
}

/** Compose's arguments that lead to a project; its files are absolute. */
export function leadTo(
  project: string,
  directory: string,
  files: readonly string[],
  envFiles: readonly string[] = [],
): Pick<ComposeProject, 'directory' | 'files' | 'envFiles' | 'args' | 'reads'> {
  const inDirectory = (names: readonly string[]) => names.map((name) => posix.join(directory, name))
  return {
    directory,
    files,
    envFiles,
    reads: [
      ...(files.length > 0 ? files : inDirectory(DEFAULT_FILES)),
      ...(envFiles.length > 0 ? envFiles : inDirectory(['.env'])),
    ],
    args: [
      ...['--project-name', project, '--project-directory', directory],
      ...files.flatMap((path) => ['--file', path]),
      ...envFiles.flatMap((path) => ['--env-file', path]),
    ],
  }
}

/** All containers that are parts of a Compose project's services. */
function parts(look: DockerLook): readonly ContainerLook[] {
  return look.containers.filter(({ compose }) => compose !== undefined && !compose.oneOff)
}

/** Made in the deployment, or from its configured file wherever Compose was called. */
function isHere({ compose }: ContainerLook, place: ProjectPlace): boolean {
  const { deployment, config } = place
  if (compose?.directory === homeOf(place)) return true
  return (
    config.file !== undefined && (compose?.files.includes(posix.resolve(deployment, config.file)) ?? false)
  )
}

/** The container that `up` made last. A running one is the surest. Docker lists the newest first. */
function newest(containers: readonly ContainerLook[]): ContainerLook | undefined {
  return containers.find(({ status }) => status === 'running') ?? containers[0]
}

/** A project's name as both versions of Compose write it in labels. */
export function projectName(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, '')
    .replace(/^[_-]+/, '')
}

/** As both versions make it of a directory's name. */
export function defaultName(directory: string): string {
  return projectName(posix.basename(directory))
}
