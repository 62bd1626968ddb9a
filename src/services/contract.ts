import type { Finding } from '../model/finding.ts'
import type { QuiesceConfig, ServicesConfig } from '../model/config.ts'
import type { NamedProject } from '../model/server-services.ts'
import type { HelperContainer, Privilege, RemoteHost } from '../remote/contract.ts'

/** How a container gets at a path of the server. */
export interface ContainerMount {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'other'
  /** A named (or anonymous) volume's name. */
  readonly volume: string | undefined
  /** A volume's driver; `local` ones lie on this server. */
  readonly driver: string | undefined
  /** On the server, symlinks resolved: the bind's source, or the volume's mountpoint; undefined where there is none. */
  readonly source: string | undefined
  /** In the container. */
  readonly destination: string
  readonly writable: boolean
}

/** The labels that Compose has put on a container. */
export interface ComposeLabels {
  readonly project: string
  readonly service: string
  /** Absolute, symlinks resolved where it is still there; undefined for containers of very old versions. */
  readonly directory: string | undefined
  /** In Compose's order; absolute where the directory is known. */
  readonly files: readonly string[]
  /** `--env-file`s that were given; absolute where the directory is known. */
  readonly envFiles: readonly string[]
  /** Of Compose: `1.29.2`. */
  readonly version: string | undefined
  /** Hash of everything that Compose has made the container from. */
  readonly configHash: string | undefined
  /** The services that it starts after. Version 1 does not tell. */
  readonly dependsOn: readonly string[]
  /** Left behind by `compose run`, so it is no part of the service. */
  readonly oneOff: boolean
}

export interface ContainerLook {
  /** In full. */
  readonly id: string
  readonly name: string
  /** As it was asked for, `app:7-alpine`. */
  readonly image: string
  readonly imageId: string
  /** The user as configured; `''` is the image's own user. */
  readonly user: string
  readonly status: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead'
  /** Undefined: no healthcheck. */
  readonly health: 'starting' | 'healthy' | 'unhealthy' | undefined
  readonly restartCount: number
  readonly exitCode: number
  /** `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:3`. */
  readonly restartPolicy: string
  /** Docker removes it as soon as it stops (`--rm`). */
  readonly autoRemove: boolean
  /** Its own file system can't be written to. */
  readonly readOnly: boolean
  readonly mounts: readonly ContainerMount[]
  /** TCP ports of the server that it takes when it runs. */
  readonly ports: readonly number[]
  readonly compose: ComposeLabels | undefined
}

/** What one look at a server's Docker has found. */
export interface DockerLook {
  readonly engine: {
    readonly version: string
    readonly apiVersion: string
    readonly os: string
    readonly arch: string
    /** Undefined when the engine does not say. */
    readonly root: string | undefined
    /** Why root in its containers is not root of the server: `rootless`, or `userns`. Owners are shifted then. */
    readonly shifted: 'rootless' | 'userns' | undefined
  }
  /** Compose by its major version: `docker compose`, and docker-compose. */
  readonly compose: { readonly v2: string | undefined; readonly v1: string | undefined }
  /** All containers, not only the deployment's, because any of them may use a path. */
  readonly containers: readonly ContainerLook[]
}

/** What a person types for Compose. */
export type ComposeTool = 'docker compose' | 'docker-compose'

/** A container that a path of the server is mounted in: itself, something in it, or a directory it is in. */
export interface PathUse {
  readonly path: string
  readonly container: ContainerLook
  readonly mount: ContainerMount
}

/** A deployment's own Compose project, and the arguments that lead Compose to it. */
export interface ComposeProject {
  readonly project: string
  /** Absolute. */
  readonly directory: string
  /** Absolute, in Compose's order: those that the containers were made from. Empty: those that Compose finds there. */
  readonly files: readonly string[]
  /** Absolute; those that were given by hand (`--env-file`). Empty: the `.env` of the directory. */
  readonly envFiles: readonly string[]
  /** `--project-name`, `--project-directory`, `--file`, `--env-file`, for either version. */
  readonly args: readonly string[]
  /** What Compose makes every service from: its files and env files, absolute. */
  readonly reads: readonly string[]
  /**
   * The containers that were made from this directory and these files, without those of `compose run`. When there are
   * none, the deployment is down.
   */
  readonly containers: readonly ContainerLook[]
  /** Containers of a project of the same name that is run from another directory. They are never ours. */
  readonly elsewhere: readonly ContainerLook[]
  /**
   * Why its services must not be stopped and started: the config names other files than those that run, or it is not
   * known which are meant.
   */
  readonly problem: Finding | undefined
}

/** Compose's own answer about a directory. */
export interface ComposeSays {
  readonly project: string
  /** The real name of each volume of its files. */
  readonly volumes: ReadonlyMap<string, string>
  /** The services that each service of its files depends on. */
  readonly dependsOn: ReadonlyMap<string, readonly string[]>
}

/**
 * Containers that a restore of some paths stops and starts; names in the order of starting, which is the reverse of
 * stopping.
 */
export type ContainerServices =
  | { readonly manager: 'docker'; readonly data: readonly string[]; readonly rest: readonly string[] }
  | {
      readonly manager: 'compose'
      readonly project: string
      readonly args: readonly string[]
      /** Something that Compose reads is among the paths: start by `up`. */
      readonly renew: boolean
      readonly data: readonly string[]
      readonly rest: readonly string[]
    }

/** Root by Docker, proven; or why there is none, and what to do. */
export type FoundHelper =
  | { readonly privilege: HelperContainer }
  | { readonly refused: { readonly message: string; readonly next: string } }

/**
 * Finds out, once for each connection, whether the SSH user can be root by Docker: the engine is this server's own and
 * lets the user in, there is an image, and a container of it was seen to be root in the same place.
 */
export type FindHelper = (host: RemoteHost, signal: AbortSignal) => Promise<FoundHelper>

/** All services of a deployment, on the server it is moved from or to. */
export interface DeploymentServices {
  readonly look: DockerLook
  /** In the order of starting. */
  readonly services: ContainerServices
  /** The containers of these services, in whatever state. */
  readonly containers: readonly ContainerLook[]
  /** Where Compose looks, absolute. */
  readonly directory: string
  readonly files: readonly string[]
  /** Undefined with the manager docker. */
  readonly project: ComposeProject | undefined
  /** The same for people. */
  readonly named: NamedProject | undefined
  /** Containers that run, use a path, and belong to none of the services. */
  readonly usersLeft: readonly ContainerLook[]
}

export type ContainerConfig = Extract<ServicesConfig, { readonly manager: 'docker' | 'compose' }>
export interface DeploymentOptions {
  /** Absolute, symlinks resolved. */
  readonly deployment: string
  readonly paths: readonly string[]
  readonly privilege: Privilege | undefined
  readonly signal: AbortSignal
}

/** A reference to one container: a service of the deployment's Compose project, or a name. */
export type ContainerReference = { readonly service: string } | { readonly container: string }

/** What a look for a source's container has found. */
export interface ContainerSearch {
  /** Undefined: the Compose project has no containers at all (not made yet, or `down`). */
  readonly container: ContainerLook | undefined
  /** Only for a reference to a service. */
  readonly project: NamedProject | undefined
  /** Where an absolute path in the container lies on the server; undefined for one that is only in the container. */
  readonly pathOnServer: (path: string) => string | undefined
  /** Containers that run and see a path of the server (absolute, symlinks resolved). */
  readonly usersOf: (path: string) => readonly ContainerLook[]
}

/** Services that are stopped or paused. Disposing it lets them run again, and waits for that, but not until they are well. */
export interface QuiescedServices extends AsyncDisposable {
  /** Those that ran before. */
  readonly names: readonly string[]
  /**
   * Lets just those run again that ran before. Resolves when they are well, or with the problem of one that is not.
   * Throws RemoteError `hold-resume` when one does not run; the next settleQuiesced tries again.
   */
  resume(signal: AbortSignal): Promise<{ readonly unwell: string | undefined }>
}

/** The services to stop or pause, and how to find them. */
export interface QuiesceRequest {
  readonly services: ServicesConfig
  readonly quiesce: QuiesceConfig
  /** Absolute, symlinks resolved. Its lock is the caller's. */
  readonly deployment: string
  readonly sudo: boolean
}

/** What became of services whose script was killed, or ended by a reboot. */
export interface SettledServices {
  /** Services that this has let run again. */
  readonly settled: readonly string[]
  /** Problems of services that run and are not well. */
  readonly unwell: readonly string[]
  /** Why others do not run. */
  readonly failed: readonly string[]
}

/**
 * The engines and images for a manifest's `server.versions`: `docker-engine`, `docker-compose`,
 * `compose-plugin`, and `image NAME` with the image's id for every container of the deployment. They are empty for
 * managers without containers. Also says which Compose project the deployment is; undefined for other managers. Throws
 * as findContainerServices.
 */
export type LookAtVersions = (
  host: RemoteHost,
  services: ServicesConfig,
  options: { readonly deployment: string; readonly sudo: boolean; readonly signal: AbortSignal },
) => Promise<{
  readonly versions: Readonly<Record<string, string>>
  readonly project: NamedProject | 'unknown' | undefined
  /** Why a restore would refuse to stop its services. */
  readonly problem?: Finding | undefined
}>

/** A path that a deployment's containers are made from: absolute. */
export interface ComposeNeed {
  readonly path: string
  /** For people: `env file of app`. */
  readonly what: string
}

/** What a container was made with, to be compared with its like on another server. */
export interface ContainerMake {
  /** Name of the Compose service, or else of the container. */
  readonly name: string
  readonly imageId: string
  /** Sorted, as are the others: `3000/tcp at 127.0.0.1:8080`. */
  readonly published: readonly string[]
  /** Names only. */
  readonly environment: readonly string[]
  /** `/data (volume)`, `/etc/app (bind, read-only)`. */
  readonly mounts: readonly string[]
}
