import type { RelayError } from '../errors.ts'
import type { HostConfig, SourceConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import { snapshotTime } from '../model/names.ts'
import { printable } from '../model/path-bytes.ts'
import type { RestorePlan, RestoreStrategy, RestoreUnit } from '../model/restore-report.ts'
import { contentOf, unreadCount, type ManifestSource } from '../model/snapshot.ts'
import { formatCount, formatDuration, formatNumber, formatSize } from '../model/units.ts'
import { describePrivilege } from '../pull/privilege.ts'
import type { ChosenPrivilege } from '../runs/privilege.ts'
import type { ServerServices } from '../model/server-services.ts'
import type { HostProbe } from '../remote/contract.ts'
import type { LoadTarget } from '../sources/contract.ts'
import { kindOf } from '../sources/registry.ts'
import type { Snapshot } from '../vault/contract.ts'
import type { NeededArchive } from './archives.ts'
import { isInside, type SourceContents } from './contents.ts'
import { homeOf } from './server/layout.ts'
import type { ServerLook, TargetLook } from './server/look.ts'
import type { FoundServices } from './services.ts'
import type { WantedPath } from './wanted.ts'

/** One source to be restored, with all that was found out about it. */
export interface SourceToRestore {
  readonly source: ManifestSource
  /** As the target has it configured. */
  readonly config: SourceConfig
  readonly contents: SourceContents
  /** What has to be read, of this snapshot and of those that its incremental builds on; oldest first. */
  readonly archives: readonly NeededArchive[]
  readonly wanted: readonly WantedPath[]
  /** Of a kind that is loaded: what into what. */
  readonly loads: readonly LoadTarget[]
  readonly notes: readonly string[]
  readonly findings: readonly Finding[]
}

/** What {@link planRestore} decides from. */
export interface PlanInput {
  readonly id: string
  readonly host: HostConfig
  readonly snapshot: Snapshot
  readonly strategy: RestoreStrategy
  /** The name under which the data goes beside what is live. */
  readonly beside?: string | undefined
  readonly sources: readonly SourceToRestore[]
  readonly look: ServerLook
  readonly probe: HostProbe
  readonly safety: boolean
  readonly start: boolean
  readonly found: FoundServices
  /** Services that run, and that the files on the server would make otherwise already. */
  readonly changed: readonly string[]
  readonly chosen: ChosenPrivilege
  /** Findings about the vault that the snapshot comes from. */
  readonly vault: readonly Finding[]
  /** Why nothing can be encrypted; undefined where encrypting works. */
  readonly cannotEncrypt?: RelayError | undefined
  /** Of {@link versionFindings}. */
  readonly versions: readonly Finding[]
  readonly now: Date
}

/** What lies, or may lie until its program has stopped, beside the files that are replaced. */
export function besidesOf(
  { kind }: SourceConfig,
  wanted: readonly WantedPath[],
): readonly (Pick<WantedPath, 'member' | 'target'> & { readonly onlyAside: true })[] {
  const { besides = [] } = kindOf(kind)
  return wanted
    .flatMap(({ member, target }) =>
      besides.map((ending) => ({
        member: member + ending,
        target: target + ending,
        onlyAside: true as const,
      })),
    )
    .filter(({ target }) => !wanted.some((path) => path.target === target))
}

/** How fast a server reads data back when its services start: bytes per ms, low on purpose. */
const START_RATE = 50_000
const SWAP_MS = 2000

/** The plan of a restore, from data alone. A `failed` finding in it stops the restore before anything is touched. */
export function planRestore(input: PlanInput): RestorePlan {
  const { id, host, snapshot, sources, look } = input
  const units: RestoreUnit[] = []
  const findings: Finding[] = sources.flatMap((source) => source.findings)
  for (const { source, config, wanted } of sources) {
    const besides = input.strategy === 'replace' ? besidesOf(config, wanted) : []
    // A swap sets the file aside before what lies beside it, and an undo puts it back behind that.
    for (const path of [...wanted, ...besides]) {
      const target = look.targets.find((one) => one.asked === path.target)
      if (target === undefined) throw new Error(`${path.target} was not looked at`)
      const problem = targetProblem(target, input)
      if (problem !== undefined) {
        findings.push(problem)
        continue
      }
      const home = homeOf(target, look.deployment.path)
      units.push({
        source: source.name,
        member: path.member,
        target: target.path,
        kind: home.kind,
        exists: target.type !== 'absent',
        empty: target.empty,
        existingBytes: target.bytes,
        base: home.home,
        ...('onlyAside' in path
          ? { onlyAside: true as const, carry: [] }
          : carryOf(path, look.deployment.path)),
      })
    }
  }
  const loads = sources.flatMap(({ source, loads: own }) =>
    own.map(({ target, exists, aside }) => ({ source: source.name, target, exists, aside })),
  )
  findings.push(...contentFindings(input))
  if (loads.length > 0 && units.length > 0 && !input.start) findings.push(noStartFinding(loads))
  if (input.beside !== undefined) findings.push(...takenFindings(input.beside, units, loads))
  const replaces = input.strategy === 'replace' && input.beside === undefined
  const bytes = sources.reduce((sum, source) => sum + source.contents.bytes, 0)
  const safety =
    replaces &&
    input.safety &&
    (units.some((unit) => unit.exists && !unit.empty) || loads.some(({ exists }) => exists))
  findings.push(...dateFindings(input), ...input.vault, ...input.versions, ...serverFindings(input, bytes))
  if (safety && input.cannotEncrypt !== undefined) findings.push(noSafetyFinding(input.cannotEncrypt))
  if (units.length === 0 && loads.length === 0 && findings.length === 0)
    throw new Error('a restore of nothing')
  return {
    id,
    host: host.name,
    snapshot: {
      host: snapshot.host,
      id: snapshot.id,
      age: input.now.getTime() - snapshotTime(snapshot.id).getTime(),
      purpose: snapshot.manifest.purpose,
    },
    strategy: input.strategy,
    ...(input.beside === undefined ? {} : { beside: input.beside }),
    privilege: describePrivilege(input.chosen.privilege),
    units,
    ...(loads.length === 0 ? {} : { loads }),
    sources: sources.map(({ source, contents, notes }) => ({
      source: source.name,
      kind: source.kind,
      entries: contents.entries,
      bytes: contents.bytes,
      notes: [
        ...notes,
        ...leftOutNotes(contents),
        ...(unreadCount(source) === 0
          ? []
          : [`not in it, since the pull could not read them: ${unreadCount(source)}`]),
      ],
    })),
    services: { ...serviceNames(input.found.services), compose: input.found.project },
    safety,
    downtime: replaces ? SWAP_MS + Math.round(bytes / START_RATE) : 0,
    findings,
  }
}

/** Snapshots of old have device nodes. */
function leftOutNotes({ leftOut: { count, names } }: SourceContents): string[] {
  if (count === 0) return []
  const more = count > names.length ? ` and ${formatNumber(count - names.length)} more` : ''
  return [
    `${formatCount(count, 'device node is', 'device nodes are')} left out, because no restore makes them: ${names.join(', ')}${more}`,
  ]
}

/**
 * A snapshot that is dated in the future may really be the newest, or a wrong clock may have put it before all others.
 */
function dateFindings({ snapshot, now }: PlanInput): Finding[] {
  const ahead = snapshotTime(snapshot.id).getTime() - now.getTime()
  if (ahead <= 0) return []
  return [
    {
      check: 'future-snapshot',
      outcome: 'warning',
      message: `${printable(snapshot.host)}/${snapshot.id} is dated ${formatDuration(ahead)} ahead of this computer's clock, which was wrong then or is wrong now`,
      next: `See in which order snapshots were made: relay-backup list ${printable(snapshot.host)}`,
    },
  ]
}

/** What the target's config leaves out, and from where on. */
function carryOf(
  { config, target }: WantedPath,
  deployment: string,
): Pick<RestoreUnit, 'carry' | 'carryFrom'> {
  const kind = kindOf(config.kind)
  const exclude = kind.exclude?.(config)
  if (exclude === undefined) return { carry: [] }
  const roots = kind.paths(config)
  const root = roots.find((path) => isInside(target, absolutePath(path, deployment)))
  if (root === undefined) return { carry: exclude }
  const below = target.slice(absolutePath(root, deployment).length)
  const member = root.replace(/^\//, '') + below
  return { carry: exclude, carryFrom: { member, roots, deployment } }
}

function absolutePath(path: string, deployment: string): string {
  return path.startsWith('/') ? path : `${deployment}/${path}`
}

function noSafetyFinding({ message, details }: RelayError): Finding {
  const without = 'If what is there now can be given up, restore with --no-safety.'
  return {
    check: 'safety',
    outcome: 'failed',
    message: `no safety snapshot can be made of what is there: ${message}`,
    next: details.next === undefined ? without : `${details.next.replace(/\.?$/, '.')} ${without}`,
  }
}

/** A schema without its rows takes no database's place, and rows need a schema to lie in. */
function contentFindings({ sources, snapshot }: PlanInput): Finding[] {
  return sources.flatMap(({ source, loads }): Finding[] => {
    const content = contentOf(source)
    if (content === 'all' || (content === 'schema' && loads.every(({ exists }) => !exists))) return []
    const dump = `relay-backup cat ${printable(snapshot.host)}/${snapshot.id} ${printable(source.name)}:DUMP`
    return [
      {
        check: 'content',
        outcome: 'failed',
        message: `only the ${content} of ${printable(source.name)} is in this snapshot`,
        next:
          content === 'schema'
            ? 'Put it beside what is live (--target NAME), or restore a full snapshot.'
            : `Restore a full snapshot, or load it by hand into a database that has its schema: ${dump}`,
      },
    ]
  })
}

/** What goes beside what is live replaces nothing. */
function takenFindings(
  name: string,
  units: readonly RestoreUnit[],
  loads: readonly { readonly target: string; readonly exists: boolean }[],
): Finding[] {
  return [...units, ...loads]
    .filter(({ exists }) => exists)
    .map(({ target }) => ({
      check: 'target-taken',
      outcome: 'failed',
      message: `there is a ${printable(target)} already, and --target ${printable(name)} replaces nothing`,
      next: 'Choose another name, or remove what is there.',
    }))
}

/** Files are swapped while all is stopped, and what is loaded needs its server. */
function noStartFinding(loads: readonly { readonly source: string }[]): Finding {
  const names = [...new Set(loads.map(({ source }) => source))].join(', ')
  return {
    check: 'load-start',
    outcome: 'failed',
    message: `${names} is loaded into a server that runs, and nothing is to be started`,
    next: `Restore it by itself (--source ${names}), or without --no-start.`,
  }
}

/** Why a target can't be replaced by whom it is to be replaced by. */
export function targetProblem(
  target: TargetLook,
  { host, probe, chosen }: Pick<PlanInput, 'host' | 'probe' | 'chosen'>,
): Finding | undefined {
  const isRoot = probe.uid === 0 || chosen.privilege !== undefined
  const failed = (check: string, message: string, next: string): Finding => ({
    check,
    outcome: 'failed',
    message,
    next,
  })
  const path = printable(target.path)
  if (target.type === 'symlink') {
    return failed(
      'target-symlink',
      `${path} is a symbolic link`,
      `Name the path it points to in the config of ${host.name}, or remove the link.`,
    )
  }
  if (target.type === 'other') {
    return failed(
      'target-type',
      `${path} is neither a file nor a directory`,
      'Move it away by hand, then restore again.',
    )
  }
  // A path that can't be renamed itself is replaced child by child. A directory that moves must itself be writable,
  // too, because its `..` changes (rename(2), EACCES).
  const itself = target.mountPoint || (target.type === 'directory' && target.parentWritable)
  const isWritable = itself ? target.writable : target.parentWritable
  if (!isWritable) {
    return failed(
      'target-not-writable',
      `${path} can't be replaced: ${itself ? 'it' : 'its directory'} is not writable for ${isRoot ? 'root' : 'us'}`,
      isRoot
        ? 'Its file system is read-only: mount it writable, or name another path in the config.'
        : `Set hosts.${host.name}.sudo: true, or give the SSH user the right to write there.${byDocker(chosen)}`,
    )
  }
  return undefined
}

/** What it takes to do it by Docker; empty where that is not needed. */
function byDocker({ refused }: ChosenPrivilege): string {
  return refused === undefined ? '' : ` Docker would do, too, but: ${refused.message}. ${refused.next}`
}

/** What concerns the server as a whole. */
function serverFindings(input: PlanInput, bytes: number): Finding[] {
  const { host, look, probe, sources } = input
  const findings: Finding[] = []
  if (look.lockedBy !== undefined) {
    findings.push({
      check: 'restore-runs',
      outcome: 'failed',
      message: `another run works there (process ${look.lockedBy})`,
      next: 'Wait until it has ended.',
    })
  } else if (look.openRestores.length > 0) {
    findings.push({
      check: 'open-journal',
      outcome: 'failed',
      message: `restore ${look.openRestores.join(', ')} is not settled`,
      next: `Settle it first: relay-backup rollback --host ${host.name}`,
    })
  }
  if (host.sudo && !look.sudo) {
    findings.push({
      check: 'sudo',
      outcome: 'failed',
      message: 'sudo asks for a password or is not there',
      next: `Allow it without a password for this user, or set hosts.${host.name}.sudo: false.`,
    })
  }
  const free = minimum(look.targets.map((target) => target.freeBytes))
  // Room for the new beside the old, and some for journals and directories.
  if (free !== undefined && free < bytes * 1.02 + 1024 * 1024) {
    findings.push({
      check: 'space',
      outcome: 'failed',
      message: `${formatSize(free)} are free on the target, ${formatSize(bytes)} are needed beside what is there`,
      next: `Free space there, or discard what an earlier restore set aside: relay-backup rollback --host ${host.name} --discard`,
    })
  }
  if (probe.tar === undefined) {
    findings.push({
      check: 'tar',
      outcome: 'failed',
      message: 'there is no tar on the server',
      next: 'Install tar there.',
    })
  } else if (probe.tar !== 'gnu') {
    const acls = sources.reduce((sum, { contents }) => sum + contents.acls, 0)
    findings.push({
      check: 'metadata',
      outcome: 'warning',
      message:
        `its tar (${probe.tar}) keeps no fractions of a second, extended attributes or ACLs` +
        (acls === 0
          ? ''
          : `; ${formatNumber(acls)} of the entries ${acls === 1 ? 'has' : 'have'} ACLs: whom these name has no rights there`),
      ...(acls === 0 ? {} : { next: 'Install GNU tar there, to bring the ACLs back, too.' }),
    })
  }
  const root = probe.uid === 0 || input.chosen.privilege !== undefined
  if (!root && sources.length > 0) {
    findings.push({
      check: 'ownership',
      outcome: 'warning',
      message: `without root all files will belong to ${probe.user} (uid ${probe.uid})`,
      next: `Set hosts.${host.name}.sudo: true to keep owners.${byDocker(input.chosen)}`,
    })
  }
  const users = look.targets.flatMap((target) => target.users)
  if (users.length > 0 && host.services.manager === 'none' && input.strategy === 'replace') {
    findings.push({
      check: 'in-use',
      outcome: 'failed',
      message: `${[...new Set(users.map((user) => `${printable(user.name)} (process ${user.pid})`))].join(', ')} uses what is to be replaced`,
      next: `Stop it, or say under hosts.${host.name}.services how it is stopped and started.`,
    })
  }
  const { usersLeft } = input.found
  findings.push(...(input.found.findings ?? []))
  if (input.changed.length > 0) {
    findings.push({
      check: 'compose-changes',
      outcome: 'warning',
      message: `${input.changed.map(printable).join(', ')} does not run as Compose would make it from the files on ${host.name} now: if the snapshot's files do not explain that either, nothing is stopped without --accept-changes`,
    })
  }
  if (usersLeft.length > 0) {
    findings.push({
      check: 'containers-left',
      outcome: 'failed',
      message: `${usersLeft.map((container) => printable(container.name)).join(', ')} runs, uses what is to be replaced, and would not be stopped`,
      next: `Add it to hosts.${host.name}.services.stop, or stop it.`,
    })
  }
  return findings
}

function minimum(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

function serviceNames(services: ServerServices): Omit<RestorePlan['services'], 'compose'> {
  switch (services.manager) {
    case 'none':
      return { manager: 'none', stop: [], data: [] }
    case 'command':
      return { manager: 'command', stop: [services.stop], data: [] }
    case 'systemd':
    case 'docker':
    case 'compose':
      // In the order of stopping, the reverse of starting.
      return {
        manager: services.manager,
        stop: [...services.data, ...services.rest].toReversed(),
        data: services.data,
      }
  }
}
