import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import { startsWith } from '../restore/services.ts'
import type { EnginePlace } from '../sources/kind.ts'
import { kindOf } from '../sources/registry.ts'
import { serverOf, type LoadedLook, type LoadedSide } from './look-loads.ts'
import type { MigrationInput } from './plan.ts'

/** What concerns sources that are loaded into a server which runs. */
export function loadFindings(input: MigrationInput): Finding[] {
  return input.loads.flatMap((look) => [...sideFindings(look, input), ...versionFindings(look, input)])
}

/** Names that are there on TO and come from FROM, too. */
export function replacedNames({ from, to, source }: LoadedLook): string[] {
  const coming = serverOf(from)?.names ?? []
  return (serverOf(to)?.names ?? [])
    .filter((name) => coming.includes(name))
    .map((name) => `${printable(name)} of ${source}`)
}

function sideFindings(look: LoadedLook, input: MigrationInput): Finding[] {
  const { from, to, services, cutover } = input
  const { source, kind, target } = look
  const { title, engine } = kindOf(kind)
  const refused = (message: string, next: string): Finding => ({
    check: 'loaded-source',
    outcome: 'failed',
    message,
    next,
  })
  const findings: Finding[] = []
  if (look.to === 'not-configured')
    findings.push(
      refused(
        `${to.host.name} has no source ${source}, so its ${title} can't be found`,
        `Add hosts.${to.host.name}.sources.${source} to the config: it says where ${title} is there.`,
      ),
    )
  if (look.from === 'down')
    findings.push(
      refused(`the ${title} of ${source} does not run on ${from.host.name}`, 'Start it, then migrate again.'),
    )
  if (look.to === 'down') {
    const message = `the ${title} of ${source} does not run on ${to.host.name}`
    const starts = target !== undefined && startsWith(services.to, engine?.place(target))
    findings.push(
      starts
        ? {
            check: 'loaded-later',
            outcome: 'ok',
            message: `${message} yet: it is loaded when its service has started, and what it lacks for that is seen only then`,
          }
        : refused(
            `${message}, and none of its services with data starts it`,
            `Start it, or name what starts it as a service with data in hosts.${to.host.name}.services.`,
          ),
    )
  }
  for (const [side, { host }] of [
    [look.from, from],
    [look.to, to],
  ] as const) {
    const problem = problemOf(side)
    if (problem !== undefined) findings.push(refused(`${host.name}: ${problem.message}`, problem.next))
  }
  for (const [each, config, { host }] of [
    [services.from, from.host.sources.find(({ name }) => name === source), from],
    [services.to, target, to],
  ] as const) {
    const name = config === undefined ? undefined : ownName(engine?.place(config))
    if (name === undefined || !('rest' in each) || !each.rest.includes(name)) continue
    findings.push(
      refused(
        `${printable(name)} of ${host.name} holds ${source} and is none of its services with data: it would not run when ${title} is needed`,
        `Add ${printable(name)} to hosts.${host.name}.services.data.`,
      ),
    )
  }
  for (const [manager, { host }] of [
    [services.from.manager, from],
    [services.to.manager, to],
  ] as const) {
    // What can't be told apart can't be stopped apart: the writers alone there, the rest alone here.
    if (manager !== 'command' || (!cutover && host === from.host)) continue
    findings.push(
      refused(
        `${source} is loaded into a server that runs, and the services of ${host.name} are one command: what writes can't be stopped, or left out of the start, by itself`,
        `Name them one by one: hosts.${host.name}.services with the manager compose, docker or systemd, and those with data as data.`,
      ),
    )
  }
  if (cutover && findings.every(({ outcome }) => outcome === 'ok'))
    findings.push({
      check: 'loaded-source',
      outcome: 'ok',
      message: `${source} is dumped once more when what writes on ${from.host.name} has stopped; whoever writes to it without being one of its services (a job, a person, another app) must be stopped before`,
    })
  return findings
}

/** Of a server that is a service itself. */
function ownName(place: EnginePlace | undefined): string | undefined {
  if (place === undefined) return undefined
  return 'service' in place ? place.service : 'container' in place ? place.container : undefined
}

function problemOf(side: LoadedSide): { readonly message: string; readonly next: string } | undefined {
  if (typeof side === 'string' || !('problem' in side)) return undefined
  const { message, details } = side.problem
  return { message, next: details.next ?? 'Correct that, then migrate again.' }
}

/** What is dumped by a newer server may be refused by an older one. */
function versionFindings(look: LoadedLook, { from, to }: MigrationInput): Finding[] {
  const { title, engine } = kindOf(look.kind)
  const [old, fresh] = [serverOf(look.from)?.version, serverOf(look.to)?.version]
  if (engine === undefined || old === undefined || fresh === undefined) return []
  const found = {
    check: engine.versionCheck,
    message: `${title} of ${look.source}: ${old.name} on ${from.host.name}, ${fresh.name} on ${to.host.name}`,
  }
  switch (engine.judgeMove?.(old, fresh)) {
    case 'refused':
      return [
        {
          ...found,
          outcome: 'failed',
          next: `An older ${title} does not load what a newer one has dumped: put one as new on ${to.host.name}.`,
        },
      ]
    case 'rehearse':
      return [
        {
          ...found,
          outcome: 'warning',
          next: `It is another one there: rehearse it first, relay-backup migrate ${from.host.name} ${to.host.name} without --cutover is that.`,
        },
      ]
    case undefined:
      return [{ ...found, outcome: 'ok' }]
  }
}
