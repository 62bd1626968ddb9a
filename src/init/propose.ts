import {
  isWithin,
  usableName,
  type Discovery,
  type FoundContainer,
  type ProposedSource,
} from '../model/discovery.ts'
import type { Kind } from '../sources/kind.ts'
import { notCovered, NOT_COVERED_PROGRAMS, type NotCovered } from './not-covered.ts'
import type { Wanted } from './discover.ts'

/** A source that is proposed for a host, with a name that no other has. */
export interface HostSource extends ProposedSource {
  /** Services that could be paused while it is captured. */
  readonly pausable: readonly string[]
}

/** What is proposed for a host. */
export interface HostProposal {
  readonly sources: readonly HostSource[]
  /** As `services` in the config, without health; undefined: nothing that could be stopped was found. */
  readonly services: Readonly<Record<string, unknown>> | undefined
  readonly notCovered: readonly NotCovered[]
  /** Ports of the server that the app itself may answer at. */
  readonly ports: readonly number[]
}

/** What all kinds, and the list of what none covers, want looked for. */
export function wantedOf(kinds: readonly Kind[]): Wanted {
  const all = kinds.flatMap(({ discovery }) => discovery ?? [])
  return {
    programs: [...new Set([...all.flatMap(({ programs = [] }) => programs), ...NOT_COVERED_PROGRAMS])],
    files: all.flatMap(({ files = [] }) => files),
  }
}

/** Proposes a host from what was found. `units` are services of systemd that work in its deployment. */
export function proposeHost(
  found: Discovery,
  units: readonly string[],
  kinds: readonly Kind[],
): HostProposal {
  const uncovered = notCovered(found)
  const sources = proposeSources(found, uncovered, kinds)
  const data = new Set(sources.flatMap(({ dataService = [] }) => dataService))
  const names = new Set(uncovered.map(({ where }) => where))
  const ports = found.containers
    .filter(({ isUp }) => isUp)
    .filter((one) => !data.has(serviceOf(one)) && !names.has(whereOf(one)))
    .flatMap((container) => container.ports)
  return {
    sources,
    services: servicesOf(found, units, [...data]),
    notCovered: uncovered,
    ports: [...new Set(ports)],
  }
}

function proposeSources(
  found: Discovery,
  uncovered: readonly NotCovered[],
  kinds: readonly Kind[],
): readonly HostSource[] {
  const ways = kinds.flatMap(({ discovery }) => discovery ?? [])
  const inOrder = [
    ...ways.filter((one) => one.takesTheRest !== true),
    ...ways.filter((one) => one.takesTheRest === true),
  ]
  const taken = uncovered.flatMap(({ paths }) => paths)
  const used = new Set<string>()
  const all: HostSource[] = []
  for (const way of inOrder) {
    for (const source of way.propose(found, taken)) {
      const name = usableName(source.name, used)
      used.add(name)
      if (source.isDoubtful !== true) taken.push(...source.paths)
      all.push({ ...source, name, pausable: source.isRestless === true ? writersOf(found, source) : [] })
    }
  }
  // With nothing better, what is doubtful is proposed.
  return all.some(({ isDoubtful }) => isDoubtful !== true)
    ? all
    : all.map((source) => ({ ...source, isDoubtful: false }))
}

/** The containers that run and write to a source. */
function writersOf({ containers }: Discovery, { paths }: ProposedSource): readonly string[] {
  return containers
    .filter(
      ({ isUp, mounts }) =>
        isUp &&
        mounts.some(
          ({ source, writable }) =>
            writable && paths.some((path) => isWithin(path, source) || isWithin(source, path)),
        ),
    )
    .map(serviceOf)
}

function servicesOf(
  { containers }: Discovery,
  units: readonly string[],
  data: readonly string[],
): Readonly<Record<string, unknown>> | undefined {
  const withData = (services: readonly FoundContainer[]): Record<string, unknown> => {
    const known = data.filter((name) => services.some((one) => serviceOf(one) === name))
    return known.length === 0 ? {} : { data: known }
  }
  const composed = containers.filter(({ service }) => service !== undefined)
  if (composed.length > 0) return { manager: 'compose', ...withData(composed) }
  if (containers.length > 0)
    return { manager: 'docker', ...withData(containers), stop: containers.map(({ name }) => name) }
  if (units.length > 0) return { manager: 'systemd', stop: units }
  return undefined
}

function serviceOf({ service, name }: FoundContainer): string {
  return service ?? name
}

function whereOf({ service, name }: FoundContainer): string {
  return service === undefined ? `container ${name}` : `service ${service}`
}
