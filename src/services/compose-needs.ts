import { posix } from 'node:path'
import { parseDocument } from 'yaml'
import { RemoteError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import type { Privilege, RemoteHost } from '../remote/contract.ts'
import type { ComposeNeed } from './contract.ts'

/** Compose files that name each other: more than anybody has. */
const MOST_FILES = 50

/**
 * What a project's Compose files name beside themselves: env files, build contexts, files of secrets and configs, other
 * Compose files. `unclear` are values that only Compose could resolve, or files that can't be read, for people. Throws
 * RemoteError.
 */
export async function readComposeNeeds(
  host: RemoteHost,
  project: {
    /** Absolute, as are the files. */
    readonly directory: string
    readonly files: readonly string[]
    readonly envFiles: readonly string[]
  },
  { privilege, signal }: { readonly privilege: Privilege | undefined; readonly signal: AbortSignal },
): Promise<FoundNeeds> {
  const read = async (path: string): Promise<string | undefined> => {
    const title = `reading ${path}`
    const result = await host.run(
      { script: 'services/read-file', args: [path], privilege, title },
      { signal },
    )
    if (result.status === 0) return result.stdout.toString('utf8')
    if (result.status === 3 || result.status === 4) return undefined
    throw new RemoteError('compose-files', `${printable(path)} on ${host.name} can't be read`, {
      host: host.name,
      command: title,
      exitStatus: result.status,
      stderr: result.stderr,
      next: 'Run it again.',
    })
  }
  return findNeeds(project, read)
}

export interface FoundNeeds {
  readonly needs: readonly ComposeNeed[]
  readonly unclear: readonly string[]
  /** Names that the files interpolate. The environment of whoever starts Compose comes before its env files. */
  readonly variables: readonly string[]
}

interface Found {
  readonly needs: ComposeNeed[]
  readonly unclear: string[]
  /** Compose files still to be read, with the directory that their paths start at. */
  readonly queue: { readonly path: string; readonly directory: string }[]
}

/** The same, with `read` as the source of the files. It returns undefined for a file that can't be read. */
export async function findNeeds(
  { directory, files, envFiles }: Parameters<typeof readComposeNeeds>[1],
  read: (path: string) => Promise<string | undefined>,
): Promise<FoundNeeds> {
  const variables = new Map<string, string>()
  for (const path of envFiles.length > 0 ? envFiles : [posix.join(directory, '.env')]) {
    for (const [name, value] of envLines((await read(path)) ?? '')) variables.set(name, value)
  }
  const found: Found = { needs: [], unclear: [], queue: files.map((path) => ({ path, directory })) }
  const done = new Set<string>()
  const names = new Set<string>()
  for (let next = found.queue.shift(); next !== undefined; next = found.queue.shift()) {
    const { path } = next
    if (done.has(path) || done.size >= MOST_FILES) continue
    done.add(path)
    const text = await read(path)
    if (text === undefined) {
      found.unclear.push(`${printable(path)} can't be read`)
      continue
    }
    for (const name of interpolated(text)) names.add(name)
    needsOfFile(text, next, variables, found)
  }
  return { ...found, variables: [...names].sort() }
}

function needsOfFile(
  text: string,
  { path, directory }: { readonly path: string; readonly directory: string },
  variables: ReadonlyMap<string, string>,
  { needs, unclear, queue }: Found,
): void {
  const document = parseDocument(text, { merge: true, uniqueKeys: false })
  const root: unknown = document.errors.length > 0 ? undefined : document.toJS()
  if (!isRecord(root)) {
    unclear.push(`${printable(path)} can't be understood`)
    return
  }
  const resolved = (value: unknown, what: string, from = directory): string | undefined => {
    if (typeof value !== 'string' || value === '') return undefined
    const plain = interpolate(value, variables)
    // Only the user who ran Compose knows whose home that is.
    if (plain === undefined || plain.startsWith('~')) {
      unclear.push(`${printable(value)}, the ${what}`)
      return undefined
    }
    // A URL names an archive or a repository to build from, which lies elsewhere.
    if (/^[a-z][a-z0-9+.-]*:\/\/|^git@/.test(plain)) return undefined
    return posix.resolve(from, plain)
  }
  const need = (value: unknown, what: string, from?: string): string | undefined => {
    const place = resolved(value, what, from)
    if (place !== undefined) needs.push({ path: place, what })
    return place
  }
  for (const [name, service] of records(root['services'])) {
    for (const one of listOf(service['env_file']))
      need(isRecord(one) ? one['path'] : one, `env file of ${printable(name)}`)
    const { build, extends: parent } = service
    const context = need(isRecord(build) ? build['context'] : build, `build context of ${printable(name)}`)
    if (isRecord(build) && context !== undefined)
      need(build['dockerfile'], `Dockerfile of ${printable(name)}`, context)
    if (!isRecord(parent)) continue
    const file = need(parent['file'], `Compose file of ${printable(name)}`)
    if (file !== undefined) queue.push({ path: file, directory: posix.dirname(file) })
  }
  for (const section of ['secrets', 'configs'] as const) {
    for (const [name, one] of records(root[section]))
      need(one['file'], `file of ${section.slice(0, -1)} ${printable(name)}`)
  }
  for (const one of listOf(root['include'])) {
    const asked = isRecord(one) ? one : { path: one }
    for (const file of listOf(asked['path'])) {
      const place = need(file, 'included Compose file')
      if (place !== undefined) queue.push({ path: place, directory: posix.dirname(place) })
    }
    for (const file of listOf(asked['env_file'])) need(file, 'env file of an included Compose file')
  }
}

/** As Compose does: `$NAME`, `${NAME}` with a default or without, `$$`. Undefined when a name is not known. */
export function interpolate(text: string, variables: ReadonlyMap<string, string>): string | undefined {
  let isKnown = true
  const plain = text.replaceAll(
    /\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?)([-?+])([^}]*))?\})/g,
    (
      _all,
      dollar: string | undefined,
      short: string | undefined,
      long: string,
      colon,
      sign,
      rest: string,
    ) => {
      if (dollar !== undefined) return '$'
      const value = variables.get(short ?? long)
      const isSet = value !== undefined && !(colon === ':' && value === '')
      if (sign === '+') return isSet ? rest : ''
      if (isSet) return value
      if (sign === '-') return rest
      isKnown = false
      return ''
    },
  )
  return isKnown ? plain : undefined
}

function interpolated(text: string): readonly string[] {
  const code = text.replaceAll(/^\s*#.*$/gm, '')
  return [...code.matchAll(/\$(?:\$|\{?([A-Za-z_]\w*))/g)].flatMap(([, name]) => name ?? [])
}

/** `NAME=value` lines of an env file, quotes taken off. */
function envLines(text: string): readonly (readonly [string, string])[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$/.exec(line)
    if (match === null) return []
    const value = (match[2] ?? '').trim()
    const quoted = /^(["'])(.*)\1$/.exec(value)?.[2]
    return [[match[1] ?? '', quoted ?? value] as const]
  })
}

function listOf(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? (value as unknown[]) : [value]
}

function records(value: unknown): readonly (readonly [string, Record<string, unknown>])[] {
  if (!isRecord(value)) return []
  return Object.entries(value).filter((entry): entry is [string, Record<string, unknown>] =>
    isRecord(entry[1]),
  )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
