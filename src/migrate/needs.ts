import { posix } from 'node:path'
import { decodeField, fieldLines } from '../model/talk.ts'
import { scriptFailure } from '../restore/server/failure.ts'
import type { ContainerLook, DeploymentServices } from '../services/contract.ts'
import type { Side } from './look.ts'
import { movedContainers } from './moved-containers.ts'
import { readComposeNeeds } from '../services/compose-needs.ts'

/** Something that FROM's containers were made from, on both servers. */
export interface Need {
  /** On FROM, absolute, symlinks resolved. */
  readonly path: string
  /** For people: `env file of app`, `mount of app`. */
  readonly what: string
  /** A named volume's name. */
  readonly volume: string | undefined
  /** The containers write to it. */
  readonly writable: boolean
  readonly from: PathFacts
  /** Where it would lie on TO, as Compose there is told of it. */
  readonly target: string
  readonly to: PathFacts
}

export interface PathFacts {
  readonly type: 'file' | 'directory' | 'other' | 'absent'
  /** SHA-256; undefined for what is no file, or a large one. */
  readonly sum: string | undefined
  /** Symlinks resolved. */
  readonly real: string
}

/** What a deployment's containers need, and what could not be found out, for people. */
export interface Needs {
  readonly needs: readonly Need[]
  readonly unclear: readonly string[]
  /** Names that FROM's Compose files interpolate, and whose value in the environment is another one on TO. */
  readonly otherVariables: readonly string[]
}

interface Candidate extends Pick<Need, 'path' | 'what' | 'volume' | 'writable'> {
  /** A container has it mounted, whoever may look at it. */
  readonly isThere: boolean
}

/**
 * What FROM's running containers were made from: their Compose files and env files by their labels, what those files
 * name, and their mounts; with what lies in the same places on TO. Throws RemoteError.
 */
export async function lookAtNeeds(
  from: Side,
  to: Side,
  containers: DeploymentServices,
  signal: AbortSignal,
): Promise<Needs> {
  const moved = movedContainers(containers)
  const candidates = [...labelled(moved), ...mounted(moved)]
  const unclear: string[] = []
  const variables = new Set<string>()
  for (const project of composeMakes(moved)) {
    const found = await readComposeNeeds(from.remote, project, { privilege: from.privilege, signal })
    unclear.push(...found.unclear)
    // It is the deployment's directory, which may be another one on TO.
    for (const name of found.variables) if (name !== 'PWD') variables.add(name)
    candidates.push(
      ...found.needs.map((need) => ({ ...need, volume: undefined, writable: false, isThere: false })),
    )
  }
  const unique = [...new Map(candidates.map((one) => [one.path, one])).values()]
  const otherVariables = await compareVariables(from, to, [...variables], signal)
  if (unique.length === 0) return { needs: [], unclear, otherVariables }
  const here = await lookAtPaths(
    from,
    unique.map(({ path }) => path),
    signal,
  )
  const targets = unique.map(({ path }) => elsewhere(path, from.deployment, to.deployment))
  const there = await lookAtPaths(to, targets, signal)
  const needs = unique.flatMap((one, at): Need[] => {
    const [facts, onTarget, target] = [here[at], there[at], targets[at]]
    if (facts === undefined || onTarget === undefined || target === undefined) return []
    const { isThere, ...rest } = one
    const need = { ...rest, target, to: onTarget }
    if (facts.type !== 'absent') return [{ ...need, path: facts.real, from: facts }]
    // The default `.env` need not be there.
    return isThere ? [{ ...need, from: { ...facts, type: 'directory' } }] : []
  })
  return { needs, unclear: [...new Set(unclear)], otherVariables }
}

function labelled(moved: readonly ContainerLook[]): Candidate[] {
  return moved.flatMap(({ compose }) => {
    if (compose === undefined) return []
    const { files, envFiles, directory } = compose
    const env = envFiles.length > 0 || directory === undefined ? envFiles : [posix.join(directory, '.env')]
    return [
      ...files.map((path) => ({
        path,
        what: 'Compose file',
        volume: undefined,
        writable: false,
        isThere: false,
      })),
      ...env.map((path) => ({
        path,
        what: 'env file of Compose',
        volume: undefined,
        writable: false,
        isThere: false,
      })),
    ].filter(({ path }) => path.startsWith('/'))
  })
}

function mounted(moved: readonly ContainerLook[]): Candidate[] {
  return moved.flatMap(({ name, mounts }) =>
    mounts.flatMap(({ type, source, volume, writable }) =>
      (type === 'bind' || type === 'volume') && source?.startsWith('/') === true
        ? [{ path: source, what: `mount of ${name}`, volume, writable, isThere: true }]
        : [],
    ),
  )
}

/** The files that the containers were made from, each set of them once. */
function composeMakes(moved: readonly ContainerLook[]): readonly Parameters<typeof readComposeNeeds>[1][] {
  const found = new Map<string, Parameters<typeof readComposeNeeds>[1]>()
  for (const { compose } of moved) {
    if (compose?.directory === undefined || compose.files.length === 0) continue
    const { directory, files, envFiles } = compose
    found.set(JSON.stringify([directory, files, envFiles]), { directory, files, envFiles })
  }
  return [...found.values()]
}

async function compareVariables(
  from: Side,
  to: Side,
  names: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (names.length === 0) return []
  const title = 'comparing the variables that Compose reads'
  const ask = async ({ remote, privilege }: Side): Promise<ReadonlyMap<string, string>> => {
    const result = await remote.run(
      { script: 'migrate/variables', args: names, privilege, title },
      { signal },
    )
    const lines = fieldLines(result.stdout)
    if (result.status !== 0 || !lines.some(([verb]) => verb === 'end'))
      throw scriptFailure(remote, title, result)
    return new Map(
      lines.flatMap(([verb, name, sum]) => (verb === 'variable' ? [[name ?? '', sum ?? '']] : [])),
    )
  }
  const [here, there] = [await ask(from), await ask(to)]
  return names.filter((name) => here.get(name) !== there.get(name))
}

/** Where FROM's path lies on TO: what is in the deployment goes with it. */
function elsewhere(path: string, from: string, to: string): string {
  return path === from || path.startsWith(`${from}/`) ? to + path.slice(from.length) : path
}

async function lookAtPaths(
  { remote, privilege }: Side,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<readonly PathFacts[]> {
  const title = 'comparing what the containers were made from'
  const result = await remote.run({ script: 'migrate/paths', args: paths, privilege, title }, { signal })
  const facts = result.status === 0 ? parsePaths(result.stdout, paths) : undefined
  if (facts === undefined) throw scriptFailure(remote, title, result)
  return facts
}

/** Reads what migrate-paths.sh prints; undefined when it is not whole. */
export function parsePaths(stdout: Buffer, paths: readonly string[]): readonly PathFacts[] | undefined {
  const lines = fieldLines(stdout)
  if (!lines.some(([verb]) => verb === 'end')) return undefined
  return paths.map((path, at) => {
    const [, , type = 'absent', sum, real] =
      lines.find((line) => line[0] === 'path' && line[1] === String(at + 1)) ?? []
    return {
      type: type as PathFacts['type'],
      sum: sum === undefined || sum === '-' ? undefined : sum,
      real: real === undefined ? path : decodeField(real).toString('utf8'),
    }
  })
}
