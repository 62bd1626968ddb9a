import { printable } from './path-bytes.ts'
import type { Secret } from './secret.ts'
import { decodeField, encodeField, fieldLine } from './talk.ts'

/** What stops and starts services, as the scripts on the server know it. */
export type ServerServices =
  | { readonly manager: 'none' }
  | {
      readonly manager: 'command'
      readonly stop: string
      readonly start: string
      readonly status?: string | undefined
      /** Variables that the lines read; without them as read back from a journal, which has no more than their names. */
      readonly secrets?: readonly ServiceSecret[] | undefined
    }
  | {
      /** systemd: units; docker: containers by name. In the order of starting, which is the reverse of stopping. */
      readonly manager: 'systemd' | 'docker'
      readonly data: readonly string[]
      readonly rest: readonly string[]
    }
  | ComposeServices

/** A variable of the environment of the lines that stop, start and ask. */
export interface ServiceSecret {
  readonly name: string
  readonly secret: Secret
}

/** Services of a Compose project, in the order of starting, which is the reverse of stopping. */
export interface ComposeServices {
  readonly manager: 'compose'
  /** As in the containers' label. */
  readonly project: string
  /** Compose's own arguments that lead to the project: `--project-name`, `--project-directory`, `--file`. */
  readonly args: readonly string[]
  /**
   * The Compose file or `.env` is put in place, too. The services then start by `up`, which makes those anew that the
   * change concerns.
   */
  readonly renew: boolean
  readonly data: readonly string[]
  readonly rest: readonly string[]
}

/** A Compose project for people: in plans, reports and messages. */
export interface NamedProject {
  readonly project: string
  /** Absolute. */
  readonly directory: string
  /** Absolute; empty when neither the containers nor Compose name the files. */
  readonly files: readonly string[]
  /** `stopped`: its containers are there, and none runs. `down`: it has none. */
  readonly state: 'up' | 'stopped' | 'down'
}

/** What the running containers of a Compose project were made from. */
export interface MadeServices {
  readonly services: readonly {
    readonly name: string
    /** Of each container: the hash that Compose has labelled it with. */
    readonly hashes: readonly string[]
    readonly image: string
  }[]
  /** The replaced paths that no container sees. Compose may read them, for example as an `env_file`. */
  readonly unseen: readonly string[]
}

/** `Compose project app in /srv/app`. */
export function describeProject({ project, directory }: Pick<NamedProject, 'project' | 'directory'>): string {
  return `Compose project ${printable(project)} in ${printable(directory)}`
}

/** The same with its files: `Compose project app in /srv/app (docker-compose.yml, more.yml)`. */
export function describeProjectWhole(project: NamedProject): string {
  const { directory, files } = project
  const names = files.map((file) =>
    file.startsWith(`${directory}/`) ? file.slice(directory.length + 1) : file,
  )
  return `${describeProject(project)}${names.length === 0 ? '' : ` (${names.map(printable).join(', ')})`}`
}

/** The lines that tell a script its services (restore/scripts/lib/journal.sh). */
export function serviceLines(services: ServerServices): readonly string[] {
  switch (services.manager) {
    case 'none':
      return [fieldLine('services', 'none')]
    case 'command': {
      const { stop, start, status, secrets = [] } = services
      const values = [stop, start, status].map((line) => (line === undefined ? '-' : encodeField(line)))
      return [
        fieldLine('services', 'command', ...values),
        ...secrets.map(({ name }) => fieldLine('service-secret', name)),
      ]
    }
    case 'systemd':
    case 'docker':
      return [fieldLine('services', services.manager), ...serviceNames(services)]
    case 'compose': {
      const { project, args, renew } = services
      const values = [encodeField(project), encodeField(args.join('\n')), renew ? 'up' : 'start']
      return [fieldLine('services', 'compose', ...values), ...serviceNames(services)]
    }
  }
}

/** Reads back what {@link serviceLines} wrote; undefined when the lines hold no services. */
export function parseServiceLines(lines: readonly (readonly string[])[]): ServerServices | undefined {
  const [, manager, ...values] = lines.find(([verb]) => verb === 'services') ?? []
  const [first = '', second = '', third = ''] = values.map((value) => decodeField(value).toString('utf8'))
  const named = (kind: string): string[] =>
    lines.flatMap((line) =>
      line[0] === 'service' && line[1] === kind ? [decodeField(line[2] ?? '').toString('utf8')] : [],
    )
  const names = { data: named('data'), rest: named('rest') }
  switch (manager) {
    case 'none':
      return { manager }
    case 'command':
      return { manager, stop: first, start: second, ...(values[2] === '-' ? {} : { status: third }) }
    case 'systemd':
    case 'docker':
      return { manager, ...names }
    case 'compose':
      return { manager, project: first, args: second.split('\n'), renew: third === 'up', ...names }
    default:
      return undefined
  }
}

function serviceNames(services: {
  readonly data: readonly string[]
  readonly rest: readonly string[]
}): readonly string[] {
  return [
    ...services.data.map((name) => fieldLine('service', 'data', encodeField(name))),
    ...services.rest.map((name) => fieldLine('service', 'rest', encodeField(name))),
  ]
}
