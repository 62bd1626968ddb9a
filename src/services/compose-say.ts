import { fieldLines } from '../model/talk.ts'
import { parse } from 'yaml'
import { posix } from 'node:path'
import type { Privilege, RemoteHost } from '../remote/contract.ts'
import { homeOf, projectName, type ProjectPlace } from './compose-project.ts'
import type { ComposeSays } from './contract.ts'
import { insistOnEngine } from './docker-answer.ts'

/** The parts of the configuration that are read. The rest may hold secrets, and is dropped. */
interface Configuration {
  readonly name?: unknown
  readonly volumes?: Readonly<Record<string, Volume | null>> | null
  readonly services?: Readonly<Record<string, Service | null>> | null
}

interface Service {
  /** Names, or conditions by name. */
  readonly depends_on?: readonly unknown[] | Readonly<Record<string, unknown>> | null
}

interface Volume {
  readonly name?: unknown
  readonly external?: unknown
}

/** What is known of a deployment before Compose is asked. */
export interface ComposeQuestion {
  /** Absolute: where Compose is asked. */
  readonly directory: string
  /** The project's name, where it is given. */
  readonly project: string | undefined
  /** Compose's own arguments. */
  readonly args: readonly string[]
}

/** How Compose is asked about a deployment of which no container tells. */
export function questionOf(place: ProjectPlace): ComposeQuestion {
  const { deployment, config } = place
  const project = config.project === undefined ? undefined : projectName(config.project)
  const args = [
    ...(project === undefined ? [] : ['--project-name', project]),
    ...(config.file === undefined ? [] : ['--file', posix.resolve(deployment, config.file)]),
  ]
  return { directory: homeOf(place), project, args }
}

/**
 * Asks Compose on the server which project it takes a deployment for, and how its volumes are really called. Undefined
 * when there is no Compose, or no Compose file in that directory; `unreadable` when Compose can't read its file. Throws
 * RemoteError as {@link insistOnEngine} does.
 */
export async function askCompose(
  host: RemoteHost,
  question: ComposeQuestion,
  options: { readonly privilege: Privilege | undefined; readonly signal: AbortSignal },
): Promise<ComposeSays | 'unreadable' | undefined> {
  // A deployment that is not there must not be taken for the directory that we happen to be in.
  if (!question.directory.startsWith('/')) return undefined
  const result = await host.run(
    {
      script: 'services/compose-say',
      patience: 'list',
      args: [question.directory, ...question.args],
      privilege: options.privilege,
      title: 'asking Compose about the deployment',
    },
    { signal: options.signal },
  )
  return parseComposeSays(host.name, question, result.stdout)
}

/** Reads what `services/compose-say` prints. */
export function parseComposeSays(
  host: string,
  { directory, project: given }: Pick<ComposeQuestion, 'directory' | 'project'>,
  stdout: Buffer,
): ComposeSays | 'unreadable' | undefined {
  const lines = fieldLines(stdout)
  insistOnEngine(host, lines)
  const of = (verb: string) =>
    lines.filter((line) => line[0] === verb).map((line) => line.slice(1).join('\t'))
  const text = of('config')
  if (of('unreadable').length > 0) return 'unreadable'
  if (text.length === 0 || of('end').length === 0) return undefined
  const { name, volumes, services } = (parse(text.join('\n'), { logLevel: 'silent' }) ?? {}) as Configuration
  const told = given ?? (typeof name === 'string' ? name : of('name')[0])
  // Version 1 takes the variable, or else the directory's name.
  const project = projectName(told ?? '') || projectName(posix.basename(directory))
  const names = Object.entries(volumes ?? {}).map(
    ([key, volume]) => [key, realName(project, key, volume)] as const,
  )
  const depends = Object.entries(services ?? {}).map(
    ([key, service]) => [key, dependencies(service)] as const,
  )
  return { project, volumes: new Map(names), dependsOn: new Map(depends) }
}

function dependencies(service: Service | null): string[] {
  const on = service?.depends_on ?? []
  return (Array.isArray(on) ? on : Object.keys(on)).map(String)
}

function realName(project: string, key: string, volume: Volume | null): string {
  if (typeof volume?.name === 'string') return volume.name
  const external = volume?.external
  if (typeof external === 'object' && external !== null && 'name' in external) return String(external.name)
  return external === true ? key : `${project}_${key}`
}
