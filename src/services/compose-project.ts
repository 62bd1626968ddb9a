import { posix } from 'node:path'
import { SourceError } from '../errors.ts'
import type { ComposeProject, ContainerLook, DockerLook } from './contract.ts'

/** Where Compose looks when no file is named. */
const DEFAULT_FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml']

/**
 * The deployment's Compose project: as configured, else the one whose containers were made in the deployment.
 * Undefined when nothing tells of one: no container, and no configured file or project. Throws SourceError
 * `project-ambiguous` when the containers belong to several.
 */
export function composeProject(
  host: string,
  look: DockerLook,
  /** Absolute, symlinks resolved. */
  deployment: string,
  config: { readonly project?: string | undefined; readonly file?: string | undefined },
): ComposeProject | undefined {
  const all = look.containers.filter(({ compose }) => compose !== undefined && !compose.oneOff)
  const here = all.filter(({ compose }) => compose?.directory === deployment)
  const projects = [...new Set(here.flatMap(({ compose }) => compose?.project ?? []))].sort()
  if (config.project === undefined && projects.length > 1) {
    throw new SourceError(
      'project-ambiguous',
      `Containers of several Compose projects come from ${deployment} on ${host}: ${projects.join(', ')}`,
      { host, next: `Set hosts.${host}.services.project to the one that is meant` },
    )
  }
  const project =
    config.project ?? projects[0] ?? (config.file === undefined ? undefined : defaultName(deployment))
  if (project === undefined) return undefined
  const containers = all.filter(({ compose }) => compose?.project === project)
  return { project, containers, ...leadTo(project, ...whereIs(deployment, newest(containers), config.file)) }
}

/** From what is configured or from a container's labels. */
function whereIs(
  deployment: string,
  container: ContainerLook | undefined,
  file: string | undefined,
): readonly [directory: string, files: readonly string[], envFiles: readonly string[]] {
  const labels = container?.compose
  const configured = file === undefined ? undefined : posix.resolve(deployment, file)
  const directory = configured === undefined ? (labels?.directory ?? deployment) : posix.dirname(configured)
  const files = configured === undefined ? (labels?.files ?? []) : [configured]
  return [directory, files, labels?.envFiles ?? []]
}

/** Compose's arguments that lead to a project; its files are absolute. */
export function leadTo(
  project: string,
  directory: string,
  files: readonly string[],
  envFiles: readonly string[] = [],
): Pick<ComposeProject, 'directory' | 'files' | 'args' | 'reads'> {
  const inDirectory = (names: readonly string[]) => names.map((name) => posix.join(directory, name))
  return {
    directory,
    files,
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

/** Labels tell of the last `up` that made the container; one that runs is the surest. */
function newest(containers: readonly ContainerLook[]): ContainerLook | undefined {
  return containers.find(({ status }) => status === 'running') ?? containers[0]
}

/** As both versions make it of a directory's name. */
export function defaultName(directory: string): string {
  return posix
    .basename(directory)
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, '')
    .replace(/^[_-]+/, '')
}
