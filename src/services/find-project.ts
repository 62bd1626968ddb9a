import type { Privilege, RemoteHost } from '../remote/contract.ts'
import {
  projectName,
  projectOf,
  projectsHere,
  severalProjects,
  type ProjectPlace,
} from './compose-project.ts'
import { askCompose, questionOf } from './compose-say.ts'
import type { ComposeProject, DockerLook } from './contract.ts'

/** What {@link findComposeProject} needs besides the server and a look at it. */
export interface FindProjectOptions extends Omit<ProjectPlace, 'host'> {
  readonly privilege: Privilege | undefined
  readonly signal: AbortSignal
}

/**
 * The deployment's own Compose project: the one whose containers were made there, by their labels; where there are
 * none, or those of several, the one that Compose itself takes the directory for. Undefined when neither knows of
 * one: nothing of it runs then. Throws SourceError `project-ambiguous`, and RemoteError for a Docker that can't be
 * asked.
 */
export async function findComposeProject(
  host: RemoteHost,
  look: DockerLook,
  options: FindProjectOptions,
): Promise<ComposeProject | undefined> {
  const { deployment, config } = options
  const place: ProjectPlace = { host: host.name, deployment, config }
  const here = projectsHere(look, place)
  const [only, second] = here
  if (only !== undefined && second === undefined) return projectOf(look, place, only)
  const answer = await askCompose(host, questionOf(place), options)
  const said = answer === 'unreadable' ? undefined : answer
  if (only !== undefined && (said === undefined || !here.includes(said.project)))
    throw severalProjects(place, here)
  const project = said?.project ?? (config.project === undefined ? undefined : projectName(config.project))
  return project === undefined ? undefined : projectOf(look, place, project)
}
