import { ConnectionError, RelayError, SourceError } from '../errors.ts'
import type { HealthLimits, SourceConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { isWhole } from '../model/snapshot.ts'
import type { CaptureContext, ExcludedNames, HealthNote } from '../sources/contract.ts'
import { kindOf } from '../sources/registry.ts'
import type { PullDependencies } from './dependencies.ts'
import { locateSource } from './locate.ts'
import type { ChosenPrivilege } from '../runs/privilege.ts'
import type { Visit } from '../runs/visit.ts'
import { privilegeToRead, withRefusal } from './privilege.ts'
import { groupByQuiesce, quiesceRequest } from './quiesce.ts'
import { checkQuiesce } from '../services/quiesce.ts'
import { containerFinder } from '../runs/container-finder.ts'

/** The parts it takes to look at sources without changing anything. */
export type LookDependencies = Pick<PullDependencies, 'findHelper' | 'resolveSecret' | 'sourceOf'>

/** A source as a pull would find it. */
export interface SourceLook {
  /** The source with its paths, where they are known. */
  readonly source: SourceConfig
  readonly chosen: ChosenPrivilege | undefined
  /** What a person should know of it, a sentence each. */
  readonly notices: readonly string[]
  /** What was found of it, for a plan. */
  readonly found?: readonly string[]
  /** What each pattern of its `exclude` leaves out there; undefined where that can't be told. */
  readonly excludes?: readonly ExcludedNames[] | undefined
  /** How its server does; absent where that was not asked, or there is none. */
  readonly health?: readonly HealthNote[]
  /** Some of it can't be captured. */
  readonly lacks?: boolean
  /** Why it can't be captured. */
  readonly error?: RelayError | undefined
}

/** What else is looked for. */
export interface LookOptions {
  /** Everything that sources leave out is listed. */
  readonly excludes: boolean
  /** Their servers are asked how they do, by these limits. */
  readonly health?: HealthLimits
}

/**
 * The outcome that a pull of these sources would have, as far as that can be seen without changing anything. Throws errors that concern all of them alike: a lost connection, an interruption.
 */
export async function lookAtSources(
  place: Visit,
  sources: readonly SourceConfig[],
  dependencies: LookDependencies,
  options: LookOptions,
): Promise<readonly SourceLook[]> {
  const looks: SourceLook[] = []
  for (const { quiesce, sources: group } of groupByQuiesce(sources)) {
    const { remote, signal } = place
    const held =
      quiesce === undefined
        ? undefined
        : await refusalOf(place, () => checkQuiesce(remote, quiesceRequest(place, quiesce), signal))
    for (const source of group) {
      looks.push(
        held === undefined
          ? await lookAtSource(place, source, dependencies, options)
          : { source, chosen: undefined, notices: [], error: held },
      )
    }
  }
  return looks
}

async function lookAtSource(
  place: Visit,
  config: SourceConfig,
  dependencies: LookDependencies,
  options: LookOptions,
): Promise<SourceLook> {
  const { host, remote, probe, signal } = place
  const { resolveSecret, sourceOf } = dependencies
  const notices: string[] = []
  const found: string[] = []
  let source = config
  let chosen: ChosenPrivilege | undefined
  let lacks = false
  let excludes: readonly ExcludedNames[] | undefined
  let health: readonly HealthNote[] = []
  const error = await refusalOf(place, async () => {
    source = await locateSource(place, config)
    chosen = await privilegeToRead(place, source, dependencies)
    const kind = await sourceOf(source.kind)
    if (probe.access === 'sftp' && kind.captureOverSftp === undefined) throw needsShell(source)
    const context: CaptureContext = {
      host: remote,
      probe,
      privilege: chosen.privilege,
      compression: host.compression,
      secret: resolveSecret,
      findContainer: containerFinder(place, probe.deployment),
      step: () => {},
      notice: ({ code, message }) => {
        lacks ||= !isWhole({ warnings: [{ code, count: 1 }] })
        notices.push(`${config.name}: ${printable(message)}`)
      },
      note: ({ message }) => found.push(printable(message)),
      signal,
    }
    await kind.look(context, source)
    const { health: limits } = options
    if (limits !== undefined) health = await healthOf(place, context, source, limits)
    if (options.excludes && (kindOf(source.kind).exclude?.(source) ?? []).length > 0)
      excludes = await kind.findExcluded?.(context, source)
  })
  const told = withRefusal(error, chosen)
  return {
    source,
    chosen,
    notices,
    found,
    excludes,
    health,
    lacks,
    ...(told instanceof RelayError ? { error: told } : {}),
  }
}

/** A server that can't be asked how it does can be captured all the same. */
async function healthOf(
  place: Visit,
  context: CaptureContext,
  source: SourceConfig,
  limits: HealthLimits,
): Promise<readonly HealthNote[]> {
  let notes: readonly HealthNote[] = []
  const error = await refusalOf(place, async () => {
    const health = await kindOf(source.kind).health?.()
    // What was told of it before is told once.
    notes = (await health?.ask({ ...context, notice: () => {}, note: () => {} }, source, limits)) ?? []
  })
  if (error === undefined) return notes
  const { message, details } = error
  return [{ outcome: 'warning', message: `how its server does is not known: ${message}`, next: details.next }]
}

/** The error for a source that has to run something on a server without a shell. */
export function needsShell({ kind }: SourceConfig): SourceError {
  return new SourceError('needs-shell', `a ${kind} source needs a shell on the server: it is SFTP only`, {
    next: 'Connect as a user who has a shell, or name the sources of this host in the config without this one.',
  })
}

/** The expected error that a look ends with. */
async function refusalOf({ signal }: Visit, look: () => Promise<unknown>): Promise<RelayError | undefined> {
  try {
    await look()
    return undefined
  } catch (error) {
    if (!(error instanceof RelayError) || error instanceof ConnectionError || signal.aborted) throw error
    return error
  }
}
