import { posix } from 'node:path'
import { NAME_PATTERN } from './names.ts'

/** What a look at a new server has found: what a config is proposed from (init/). Paths are absolute. */
export interface Discovery {
  /** The directory of the app, symlinks resolved. */
  readonly deployment: string
  /** What lies directly in it. */
  readonly entries: readonly FoundEntry[]
  /** The app's: made in the deployment, or seeing something of it. */
  readonly containers: readonly FoundContainer[]
  /** Programs that run on the server itself, of those that were asked for. */
  readonly programs: readonly FoundProgram[]
  /** Files in the deployment, of those that were asked for. */
  readonly files: readonly FoundFile[]
  /** Bytes of mounts, as far as they could be told. */
  readonly sizes: ReadonlyMap<string, number>
}

export interface FoundEntry {
  readonly name: string
  readonly isDirectory: boolean
  /** Undefined when it could not be told, or not in time. */
  readonly bytes: number | undefined
}

export interface FoundContainer {
  readonly name: string
  /** Of the deployment's Compose project. */
  readonly service: string | undefined
  /** The image's own name: `app` of `registry.example.com/team/app:7`. */
  readonly image: string
  readonly isUp: boolean
  /** Ports of the server. */
  readonly ports: readonly number[]
  readonly mounts: readonly FoundMount[]
}

export interface FoundMount {
  /** On the server. */
  readonly source: string
  /** In the container. */
  readonly destination: string
  /** Of a volume with a name. */
  readonly volume: string | undefined
  readonly writable: boolean
}

export interface FoundProgram {
  readonly name: string
  /** The directory it works in, where the user may see that. */
  readonly directory: string | undefined
  /** `host:port`, where its command line says so. */
  readonly address: string | undefined
}

export interface FoundFile {
  readonly path: string
  readonly bytes: number
  /** The text that it was recognised by, with which it begins; undefined: its name alone. */
  readonly begins: string | undefined
}

/** A file that is asked for: by its name, and by the text it begins with. */
export interface FilePattern {
  readonly name: string
  readonly begins: string | undefined
}

/** A source that a kind proposes. */
export interface ProposedSource {
  readonly name: string
  /** As it is written in the config; its kind comes first. */
  readonly config: Readonly<Record<string, unknown>>
  /** What it takes: no other kind proposes that, too. A `*` at the end stands for the rest of a name. */
  readonly paths: readonly string[]
  readonly bytes: number | undefined
  /** What a person may like to know, as a comment. */
  readonly note?: string | undefined
  /** The service (or container) that holds the data itself, and starts first. */
  readonly dataService?: string | undefined
  /** It is a better copy when what writes to it holds still. */
  readonly isRestless?: boolean
  /** Proposed only if somebody asks for it, or nothing else is there. */
  readonly isDoubtful?: boolean
}

/** A path as the config has it: relative to the deployment where it lies in it. */
export function asWritten({ deployment }: Pick<Discovery, 'deployment'>, path: string): string {
  return path !== deployment && isWithin(path, deployment) ? posix.relative(deployment, path) : path
}

export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`)
}

/** A text as a name of the config, that none of the others has. */
export function usableName(text: string, used: ReadonlySet<string>): string {
  const plain = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, '-')
    .replace(/^[_-]+|-+$/g, '')
    .slice(0, 56)
  const base = NAME_PATTERN.test(plain) ? plain : 'data'
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? base : `${base}_${number}`
    if (!used.has(name)) return name
  }
}
