import { posix } from 'node:path'
import type { ComposeLabels, ContainerLook, ContainerMount } from './contract.ts'

/** A line of `services/docker-look`, as Docker's own inspect has it. */
interface Inspected {
  readonly id: string
  readonly name: string
  readonly image: string
  readonly imageId: string
  readonly user: string | null
  readonly labels: Readonly<Record<string, string>> | null
  readonly mounts: readonly InspectedMount[] | null
  readonly state: {
    readonly Status: ContainerLook['status']
    readonly ExitCode: number
    /** Absent when there is no healthcheck. */
    readonly Health?: { readonly Status: string } | null
  }
  readonly restartCount: number
  readonly ports: Readonly<Record<string, readonly { readonly HostPort: string }[] | null>> | null
  readonly policy: { readonly Name: string; readonly MaximumRetryCount: number } | null
  readonly autoRemove: boolean
  readonly readOnly: boolean
}

interface InspectedMount {
  readonly Type: string
  readonly Name?: string
  readonly Source?: string
  readonly Destination: string
  readonly Driver?: string
  readonly RW: boolean
}

/** Reads one container's JSON. `real` resolves the symlinks of mount sources. Throws SyntaxError when it is no JSON. */
export function parseContainer(json: string, real: ReadonlyMap<string, string> = new Map()): ContainerLook {
  const seen = JSON.parse(json) as Inspected
  const health = seen.state.Health?.Status
  return {
    id: seen.id,
    name: seen.name.replace(/^\//, ''),
    image: seen.image,
    imageId: seen.imageId,
    user: seen.user ?? '',
    status: seen.state.Status,
    health: health === 'starting' || health === 'healthy' || health === 'unhealthy' ? health : undefined,
    restartCount: seen.restartCount,
    exitCode: seen.state.ExitCode,
    restartPolicy: restartPolicy(seen.policy),
    autoRemove: seen.autoRemove,
    readOnly: seen.readOnly,
    mounts: (seen.mounts ?? []).map((mount) => parseMount(mount, real)),
    ports: publishedPorts(seen.ports ?? {}),
    compose: composeLabels(seen.labels ?? {}, real),
  }
}

/** Of `3000/tcp: [{ HostPort: "8080" }]`; a port that Docker chooses itself has no number. */
function publishedPorts(bindings: NonNullable<Inspected['ports']>): readonly number[] {
  const ports = Object.entries(bindings)
    .filter(([port]) => port.endsWith('/tcp'))
    .flatMap(([, binds]) => (binds ?? []).map((bind) => Number(bind.HostPort)))
  return [...new Set(ports.filter((port) => port > 0))]
}

function restartPolicy(policy: Inspected['policy']): string {
  if (policy === null || policy.Name === '') return 'no'
  return policy.Name === 'on-failure' && policy.MaximumRetryCount > 0
    ? `on-failure:${policy.MaximumRetryCount}`
    : policy.Name
}

function parseMount(mount: InspectedMount, real: ReadonlyMap<string, string>): ContainerMount {
  const { Type: type, Source: source = '' } = mount
  return {
    type: type === 'bind' || type === 'volume' || type === 'tmpfs' ? type : 'other',
    volume: type === 'volume' ? mount.Name : undefined,
    driver: type === 'volume' ? mount.Driver : undefined,
    source: source === '' ? undefined : (real.get(source) ?? source),
    destination: mount.Destination,
    writable: mount.RW,
  }
}

const PREFIX = 'com.docker.compose.'

function composeLabels(
  labels: Readonly<Record<string, string>>,
  real: ReadonlyMap<string, string>,
): ComposeLabels | undefined {
  const project = labels[`${PREFIX}project`]
  const service = labels[`${PREFIX}service`]
  if (project === undefined || service === undefined) return undefined
  const given = labels[`${PREFIX}project.working_dir`]
  const directory = given === undefined ? undefined : (real.get(given) ?? given)
  const several = (label: string): readonly string[] =>
    (labels[`${PREFIX}${label}`] ?? '').split(',').filter((path) => path !== '')
  // `-` was its stdin.
  const names = several('project.config_files').filter((name) => name !== '-')
  // Version 1 writes the files as they were given, version 2 writes absolute paths.
  const base = given === undefined ? undefined : whereGiven(given, names[0])
  const absolute = (name: string): string => {
    if (given === undefined || directory === undefined || base === undefined) return name
    const path = posix.resolve(base, name)
    return path === given || path.startsWith(`${given}/`) ? directory + path.slice(given.length) : path
  }
  return {
    project,
    service,
    directory,
    files: names.map(absolute),
    envFiles: several('project.environment_file').map(absolute),
    version: labels[`${PREFIX}version`],
    configHash: labels[`${PREFIX}config-hash`],
    // `redis:service_healthy:true,queue:service_started:false`
    dependsOn: (labels[`${PREFIX}depends_on`] ?? '')
      .split(',')
      .flatMap((dependency) => dependency.split(':')[0] || []),
    oneOff: labels[`${PREFIX}oneoff`] === 'True',
  }
}

/**
 * The directory that Compose 1 was called in. Compose 1 takes the directory of its first file for the project's, so a
 * project of `/srv/app` with the file `app/compose.yml` was started in `/srv`.
 */
function whereGiven(directory: string, first: string | undefined): string {
  const inside = posix.dirname(first ?? '.')
  return inside !== '.' && directory.endsWith(`/${inside}`)
    ? directory.slice(0, -inside.length - 1) || '/'
    : directory
}
