import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import { formatSize } from '../model/units.ts'
import { lastCutover } from '../restore/choose-journal.ts'
import { targetProblem } from '../restore/plan.ts'
import { kindOf } from '../sources/registry.ts'
import type { SideLook } from './look.ts'
import { movedContainers } from './moved-containers.ts'
import type { MigrationInput } from './plan.ts'
import { replacedNames } from './plan-loads.ts'

/** What concerns the two servers, whatever manages their services. */
export function serverFindings(input: MigrationInput): Finding[] {
  return [
    ...identityFindings(input),
    ...unsettledFindings(input.from),
    ...unsettledFindings(input.to),
    ...movedFindings(input),
    ...emptinessFindings(input),
    ...targetFindings(input),
    ...machineFindings(input),
    ...ownerFindings(input),
    ...portFindings(input),
  ]
}

/** By the kernel and the directory itself: names and addresses may differ for one server. */
function identityFindings({ from, to }: MigrationInput): Finding[] {
  const { boot, directory } = from.machine
  const same = boot !== undefined && boot === to.machine.boot
  if (!same || directory === undefined || directory !== to.machine.directory) return []
  return [
    {
      check: 'to-is-from',
      outcome: 'failed',
      message: `${to.host.name} is ${from.host.name}: both are ${printable(from.server.deployment.path)} of the same server`,
      next: `Correct hosts.${to.host.name} in the config.`,
    },
  ]
}

function unsettledFindings({ host, server, journals }: SideLook): Finding[] {
  if (server.lockedBy !== undefined) {
    return [
      {
        check: 'restore-runs',
        outcome: 'failed',
        message: `another run works on ${host.name} (process ${server.lockedBy})`,
        next: 'Wait until it has ended.',
      },
    ]
  }
  const open = journals.filter(({ state }) => state !== 'closed')
  if (open.length === 0) return []
  return [
    {
      check: 'open-journal',
      outcome: 'failed',
      message: `${open.map(({ id, migration }) => `${migration === undefined ? 'restore' : 'migration'} ${id}`).join(', ')} of ${host.name} is not settled`,
      next: `Settle it first: relay-backup rollback --host ${host.name}`,
    },
  ]
}

/** What FROM holds is older than what serves, unless a later migration came back to it: TO may know of that alone. */
function movedFindings({ from, to }: MigrationInput): Finding[] {
  const { host, journals, containers } = from
  const moved = lastCutover(journals)
  if (moved?.migration?.role !== 'from') return []
  const back = lastCutover(to.journals)
  if (back?.migration?.role === 'from' && back.migration.host === host.name && back.id > moved.id) return []
  const runs = movedContainers(containers).map(({ name }) => printable(name))
  const other = printable(moved.migration.host)
  return [
    {
      check: 'moved-already',
      outcome: 'failed',
      message: `${host.name} was moved to ${other} by migration ${moved.id}, ${runs.length === 0 ? 'and is stopped since' : `yet runs: ${runs.join(', ')}`}`,
      next: `If ${host.name} is to serve again, take that back (${other} stops, and what it has accepted is kept there): relay-backup rollback --host ${host.name} --restore ${moved.id}`,
    },
  ]
}

function emptinessFindings({ to, replace, loads }: MigrationInput): Finding[] {
  const there = to.server.targets
    .filter(({ asked, type }) => type !== 'absent' && !to.machine.empty.has(asked))
    .map(({ path }) => printable(path))
  const running = (to.containers?.containers ?? [])
    .filter(({ status }) => status === 'running' || status === 'restarting' || status === 'paused')
    .map(({ name }) => `container ${printable(name)}`)
  const databases = loads.flatMap(replacedNames)
  if (replace || there.length + running.length + databases.length === 0) return []
  return [
    {
      check: 'not-empty',
      outcome: 'failed',
      message: `${to.host.name} is not empty: ${[...there, ...databases, ...running].join(', ')}`,
      next: 'If that may be replaced (it is kept there, and in a safety snapshot), add --replace.',
    },
  ]
}

/** What TO's restore would refuse, as it is on TO without more rights; as root by Docker it looks again itself. */
function targetFindings({ to }: MigrationInput): Finding[] {
  if (to.chosen.privilege !== undefined) return []
  return to.server.targets.flatMap((target) => targetProblem(target, to) ?? [])
}

function machineFindings({ from, to }: MigrationInput): Finding[] {
  const findings: Finding[] = []
  if (from.probe.arch !== to.probe.arch) {
    findings.push({
      check: 'architecture',
      outcome: 'warning',
      message: `${from.host.name} is ${from.probe.arch}, ${to.host.name} is ${to.probe.arch}: images and programs must be made for it`,
    })
  }
  const needed = from.server.targets.reduce((sum, { bytes }) => sum + bytes, 0)
  const free = to.server.deployment.freeBytes
  if (free !== undefined && free < needed * 1.05 + 1024 * 1024) {
    findings.push({
      check: 'space',
      outcome: 'failed',
      message: `${formatSize(free)} are free on ${to.host.name}, ${formatSize(needed)} are needed`,
      next: 'Free space there.',
    })
  }
  return findings
}

/** Owners travel as numbers. */
function ownerFindings({ from, to }: MigrationInput): Finding[] {
  const clashes = [
    ...clashesOf('user', from.machine.ownerUids, from.machine.users, to.machine.users),
    ...clashesOf('group', from.machine.ownerGids, from.machine.groups, to.machine.groups),
  ]
  return clashes.map((clash) => ({
    check: 'owners',
    outcome: 'warning',
    message: `${clash.kind} ${clash.id} is ${clash.here ?? 'nobody by name'} on ${from.host.name} and ${clash.there} on ${to.host.name}, who will own its files`,
    next: 'That is right where only a container uses the number; else give the services there the same numbers.',
  }))
}

function clashesOf(
  kind: string,
  ids: readonly number[],
  here: ReadonlyMap<number, string>,
  there: ReadonlyMap<number, string>,
): { kind: string; id: number; here: string | undefined; there: string }[] {
  return ids.flatMap((id) => {
    const name = there.get(id)
    return name === undefined || name === here.get(id) ? [] : [{ kind, id, here: here.get(id), there: name }]
  })
}

/** On TO, when it is to start: on one machine a cutover has given FROM's ports back by then. */
export function takenPorts({ from, to, cutover }: MigrationInput): ReadonlySet<number> {
  const isSame = from.machine.boot !== undefined && from.machine.boot === to.machine.boot
  const released = new Set(
    cutover && isSame ? movedContainers(from.containers).flatMap(({ ports }) => ports) : [],
  )
  return new Set([...to.machine.listening].filter((port) => !released.has(port)))
}

/** What TO's own config says it will listen on. With `--replace` its own services may hold them until they stop. */
function portFindings(input: MigrationInput): Finding[] {
  const { to, replace } = input
  if (replace) return []
  const { health } = to.host.services
  const url = health === undefined ? undefined : new URL(health.url)
  const wanted: [number, string][] = to.host.sources.flatMap((source): [number, string][] => {
    const { engine, title, restore } = kindOf(source.kind)
    // What is loaded goes into the server that listens there.
    if (restore.by === 'load') return []
    const place = engine?.place(source)
    return place !== undefined && 'port' in place ? [[place.port, `the ${title} of ${source.name}`]] : []
  })
  if (url !== undefined && /^(127\.|localhost$|\[?::1)/.test(url.hostname))
    wanted.push([
      Number(url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port),
      'its health URL',
    ])
  const taken = takenPorts(input)
  return wanted
    .filter(([port]) => taken.has(port))
    .map(([port, what]) => ({
      check: 'port',
      outcome: 'failed',
      message: `port ${port} of ${to.host.name}, that of ${what}, is taken already`,
      next: `Stop what listens there, or correct hosts.${to.host.name} in the config.`,
    }))
}
