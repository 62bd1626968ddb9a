import { didYouMean } from '../model/nearest.ts'
import { deploymentProblem } from '../config/remote-path.ts'
import { UsageError } from '../errors.ts'
import { candidates, containersOf } from '../init/candidates.ts'
import { notCoveredLines, type ChosenHost } from '../init/config-text.ts'
import { findPlaces, lookAtApp, type Places } from '../init/discover.ts'
import { proposeHost, wantedOf, type HostProposal, type HostSource } from '../init/propose.ts'
import type { Config } from '../model/config.ts'
import { isWithin, usableName } from '../model/discovery.ts'
import { NAME_PATTERN } from '../model/names.ts'
import { printable } from '../model/path-bytes.ts'
import { parseTarget } from '../model/target.ts'
import type { Privilege } from '../remote/contract.ts'
import type { Visit } from '../runs/visit.ts'
import type { DockerLook } from '../services/contract.ts'
import { waitHealthy } from '../services/health.ts'
import { allKinds } from '../sources/registry.ts'
import type { CommandContext } from './context.ts'
import type { InitFlags } from './init-flags.ts'
import { tell } from './tell.ts'
import { dockerOf, reach } from './init-reach.ts'
import { sourceLine, type InitTalk } from './init-talk.ts'

/** Everything about the server: reached, looked at, and decided on. */
export async function describeHost(
  context: CommandContext,
  target: string | undefined,
  flags: InitFlags,
  talk: InitTalk | undefined,
  existing: Config | undefined,
): Promise<{ readonly host: ChosenHost; readonly place: AsyncDisposable }> {
  await using stack = new AsyncDisposableStack()
  const reached = await reach(context, target, flags, talk)
  const place = stack.use(reached.place)
  const { look, privilege, note } = await dockerOf(place)
  if (note !== undefined) tell(context, note)
  const places = await findPlaces(place.remote, { privilege, signal: context.signal })
  const app = await chooseApp(context, place, { look, privilege, places }, flags, talk)
  const units = places.units
    .filter(({ directory }) => isWithin(directory, app.deployment))
    .map(({ name }) => name)
  const proposal = proposeHost(app, units, allKinds())
  if (talk !== undefined) tellProposal(context, app.deployment, proposal)
  if (app.isCut)
    tell(context, '  There is more than could be looked at: compare the sources with what you know.')
  const sources = await chooseSources(proposal, flags, talk)
  const quiesced = await withQuiesce(sources, proposal, flags, talk)
  const health = await chooseHealth(context, place, proposal, flags, talk)
  const host: ChosenHost = {
    name: await chooseName(reached.target, flags, talk, existing),
    ssh: reached.target,
    deployment: app.deployment,
    sudo: privilege !== undefined,
    services: proposal.services,
    sources: quiesced,
    health,
    notCovered: proposal.notCovered,
  }
  const kept = stack.move()
  return { host, place: { [Symbol.asyncDispose]: () => kept.disposeAsync() } }
}

type LookedAt = NonNullable<Awaited<ReturnType<typeof lookAtApp>>> & {
  readonly containers: ReturnType<typeof containersOf>
}

/** The directory that is meant, and what is in it. */
async function chooseApp(
  context: CommandContext,
  { remote, probe }: Visit,
  found: {
    readonly look: DockerLook | undefined
    readonly privilege: Privilege | undefined
    readonly places: Places
  },
  flags: InitFlags,
  talk: InitTalk | undefined,
): Promise<LookedAt> {
  const { look, privilege } = found
  const apps = candidates(look, found.places)
  const byDefault = flags.deployment === undefined && apps.length === 0 ? probe.deployment : undefined
  let directory = flags.deployment ?? byDefault
  for (;;) {
    if (directory === undefined && talk !== undefined)
      directory = await talk.deployment(apps, (text) => deploymentProblem(text))
    directory ??= onlyOne(apps)
    tell(context, `Looking at ${printable(directory)} …`)
    const wanted = wantedOf(allKinds())
    const ask = (at: string, sizesOf: readonly string[]) =>
      lookAtApp(remote, { ...wanted, directory: at, sizesOf }, { privilege, signal: context.signal })
    const app = await ask(directory, mountsOf(look, directory))
    if (app !== undefined) return { ...app, containers: containersOf(look, app.deployment) }
    const problem = `There is no directory ${printable(directory)} on the server that ${printable(probe.user)} may enter`
    if (talk === undefined)
      throw new UsageError(problem, { next: 'Name the directory of the app: --deployment DIR' })
    tell(context, `  ${problem}`)
    directory = undefined
  }
}

function mountsOf(look: DockerLook | undefined, deployment: string): readonly string[] {
  const sources = containersOf(look, deployment).flatMap(({ mounts }) => mounts.map(({ source }) => source))
  return [...new Set(sources)].filter((path) => !isWithin(deployment, path)).slice(0, 50)
}

function onlyOne(apps: ReturnType<typeof candidates>): string {
  const [only, second] = apps
  if (only !== undefined && second === undefined) return only.directory
  throw new UsageError(
    only === undefined
      ? 'No app was found on the server'
      : `Several apps are on the server: ${apps.map(({ directory }) => printable(directory)).join(', ')}`,
    { next: 'Name the directory of the one that is meant: --deployment DIR' },
  )
}

function tellProposal(
  context: CommandContext,
  deployment: string,
  { sources, notCovered }: HostProposal,
): void {
  tell(context, `Found in ${printable(deployment)}:`)
  for (const source of sources) tell(context, `  ${sourceLine(source)}`)
  for (const line of notCovered.flatMap(notCoveredLines)) tell(context, `  ${line}`)
}

async function chooseSources(
  { sources }: HostProposal,
  flags: InitFlags,
  talk: InitTalk | undefined,
): Promise<readonly HostSource[]> {
  if (sources.length === 0)
    throw new UsageError('Nothing was found there that could be backed up', {
      next: 'Name another directory: --deployment DIR, or write the config by hand from hosts.example.yaml',
    })
  const { source: names } = flags
  if (names === undefined)
    return talk === undefined
      ? sources.filter(({ isDoubtful }) => isDoubtful !== true)
      : await talk.sources(sources)
  const known = sources.map(({ name }) => name)
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0)
    throw new UsageError(`No source ${unknown.join(', ')} is proposed`, {
      next: `${didYouMean(unknown[0] ?? '', known)}These are: ${known.join(', ')}`,
    })
  return sources.filter(({ name }) => names.includes(name))
}

/** Files of a store are a better copy when what writes to them holds still. */
async function withQuiesce(
  sources: readonly HostSource[],
  { services }: HostProposal,
  flags: InitFlags,
  talk: InitTalk | undefined,
): Promise<ChosenHost['sources']> {
  const may = services !== undefined && ['compose', 'docker'].includes(String(services['manager']))
  const restless = may ? sources.filter(({ pausable }) => pausable.length > 0) : []
  if (restless.length === 0) return sources.map((source) => ({ ...source, quiesce: undefined }))
  const names = [...new Set(restless.flatMap(({ pausable }) => pausable))].map(printable).join(', ')
  const how =
    flags.quiesce ??
    (talk === undefined
      ? 'none'
      : await talk.choose(
          `${restless.map(({ name }) => name).join(', ')} holds the files of a store that ${names} writes to.`,
          [
            { value: 'none', name: 'let it run: what changes meanwhile is read again' },
            { value: 'pause', name: `freeze ${names} for the seconds of the capture` },
            { value: 'stop', name: `stop ${names}, and start it again afterwards` },
          ],
        ))
  return sources.map((source) => ({
    ...source,
    quiesce: how === 'none' || source.pausable.length === 0 ? undefined : { [how]: source.pausable },
  }))
}

const HEALTH_PATHS = ['/health', '/healthz', '/api/health', '/']
/** ms for one try, and how many ports are tried. */
const HEALTH_PATIENCE = 900
const HEALTH_PORTS = 3

async function chooseHealth(
  context: CommandContext,
  { remote, signal }: Visit,
  { ports }: HostProposal,
  flags: InitFlags,
  talk: InitTalk | undefined,
): Promise<string | undefined> {
  if (flags.health === false) return undefined
  const ask = (url: string) => waitHealthy(remote, { url, timeout: HEALTH_PATIENCE }, signal)
  let url = typeof flags.health === 'string' ? flags.health : undefined
  if (url === undefined) {
    const found = await firstHealthy(ports, ask)
    if (talk === undefined) return found
    url = await talk.text('An address on the server that answers when the app is well (- for none):', {
      initial: found ?? '-',
      problem: (text) =>
        text === '-' || URL.canParse(text) ? undefined : 'write http://127.0.0.1:3000/health, or -',
    })
    if (url === '-' || url === found) return url === '-' ? undefined : url
  }
  const problem = URL.canParse(url) ? await ask(url) : undefined
  if (problem !== undefined)
    tell(context, printable(`  ${url} does not answer well at the moment: ${problem}`))
  return url
}

async function firstHealthy(
  ports: readonly number[],
  ask: (url: string) => Promise<string | undefined>,
): Promise<string | undefined> {
  for (const port of ports.slice(0, HEALTH_PORTS)) {
    for (const path of HEALTH_PATHS) {
      const url = `http://127.0.0.1:${port}${path}`
      if ((await ask(url)) === undefined) return url
    }
  }
  return undefined
}

async function chooseName(
  target: string,
  flags: InitFlags,
  talk: InitTalk | undefined,
  existing: Config | undefined,
): Promise<string> {
  const used = new Set((existing?.hosts ?? []).map(({ name }) => name))
  const isUsed = (name: string) => (used.has(name) ? `there is a host ${name} already` : undefined)
  if (flags.name !== undefined) {
    const problem = isUsed(flags.name)
    if (problem !== undefined)
      throw new UsageError(`--name ${flags.name}: ${problem}`, { next: 'Give it another name' })
    return flags.name
  }
  // Of `ubuntu@relay.example.com` the first word; of an address all of it.
  const host = parseTarget(target)?.host ?? target
  const proposed = usableName(
    /[a-z]/i.test(host) && !host.includes(':') ? (host.split('.')[0] ?? host) : host,
    used,
  )
  if (talk === undefined) return proposed
  return await talk.text('Its name in the config:', {
    initial: proposed,
    problem: (text) => (NAME_PATTERN.test(text) ? isUsed(text) : nameProblem(text)),
  })
}

/** Why a text is no name of a host. */
export function nameProblem(text: string): string {
  return text === ''
    ? 'a name is needed'
    : 'names are 1 to 64 lower-case letters, digits, _ and -, and begin with a letter or digit'
}
