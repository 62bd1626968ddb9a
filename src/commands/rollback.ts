import { loadConfig } from '../config/load.ts'
import { selectHosts } from '../config/select-hosts.ts'
import { InterruptedError, RelayError, UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import { boundRun } from '../model/run-timeout.ts'
import { settleMigration } from '../migrate/settle.ts'
import type { Config, HostConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import { formatSize } from '../model/units.ts'
import { lockDeployment } from '../remote/deployment-lock.ts'
import { probeHost } from '../remote/probe.ts'
import { connectSsh } from '../remote/ssh.ts'
import { formatAge } from '../report/format.ts'
import { checkUndo } from '../restore/before-undo.ts'
import {
  discardRestores,
  findLateWrites,
  listJournals,
  sweepStaging,
  type LateWrites,
  type RestoreJournal,
} from '../restore/server/journals.ts'
import { chooseJournal, isCutover, lastCutover } from '../restore/choose-journal.ts'
import type { MigrationRole } from '../restore/server/driver.ts'
import { visit, type Visit, type VisitDependencies } from '../runs/visit.ts'
import { rollbackRestore } from '../restore/server/settle.ts'
import { mergeJournal } from '../restore/merge.ts'
import { findPlacedServices } from '../services/container-services.ts'
import { findHelper } from '../services/helper.ts'
import { settleLeftHolds } from '../pull/quiesce.ts'
import { resolveSecret } from '../secrets/resolve.ts'
import { findSourceContainer } from '../services/source-container.ts'
import type { RestoreContext } from '../sources/contract.ts'
import { settleHolds } from '../services/settle-holds.ts'
import { restorableOf } from '../sources/registry.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { ask } from './question.ts'

export interface RollbackFlags {
  readonly host: string
  readonly deployment?: string
  readonly restore?: string
  readonly discard?: boolean
  readonly acceptChanges?: boolean
  readonly yes?: boolean
}

const reached: VisitDependencies = {
  connect: (host, signal) => connectSsh(host, { resolveSecret, signal }),
  probe: probeHost,
  findHelper,
}

/** `rollback --host HOST`: settles the last restore from its journal, from any workstation with the config. */
export async function rollback(
  context: CommandContext,
  _args: readonly string[],
  flags: RollbackFlags,
): Promise<CommandOutcome> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const [host] = selectHosts(config, { names: [flags.host], deployment: flags.deployment })
  if (host === undefined) throw new UsageError('--host names no host')
  using run = boundRun(host, context.signal)
  const { signal } = run
  await using place = await visit(host, { shellFor: 'rollback', settles: true }, reached, signal)
  if (place.probe.deployment === undefined) {
    return {
      exitCode: ExitCode.done,
      text: `${host.name}: there is no deployment, so nothing to roll back`,
      json: { journals: [] },
    }
  }
  const { journals } = await listJournals(place.remote, place)
  return flags.discard === true
    ? await discard(context, host, place, journals, flags)
    : await undo(context, config, host, place, journals, flags)
}

async function undo(
  context: CommandContext,
  config: Config,
  host: HostConfig,
  place: Visit,
  journals: readonly RestoreJournal[],
  flags: RollbackFlags,
): Promise<CommandOutcome> {
  const { journal, undone } = chooseJournal(host.name, journals, flags.restore)
  if (journal !== undefined && undone !== undefined && (flags.yes === true || !context.interactive))
    throw await refuseOlder(context, host, place, journal, undone)
  if (journal?.migration !== undefined && isCutover(journal)) {
    const before = lastCutover(journals)
    return await settleBoth(
      context,
      config,
      host,
      { ...journal, migration: journal.migration, before },
      flags,
    )
  }
  const held = await settleHeld(place)
  const exitCode = held.some(({ outcome }) => outcome === 'failed') ? ExitCode.partial : ExitCode.done
  const heldLines = held.flatMap(({ message, next }) => [
    `  ${message}`,
    ...(next === undefined ? [] : [`  Next: ${next}`]),
  ])
  if (journal === undefined) {
    // A restore that ended before it had a journal leaves behind what it has unpacked.
    await sweepStaging(place.remote, place)
    const text = [`${host.name}: no restore to roll back`, ...heldLines].join('\n')
    return { exitCode, text, json: { journals, findings: held } }
  }
  const last = undone === undefined ? '' : ` – the last one, ${undone.id}, is undone already`
  const accepted = await checkUndo(place, journal, {
    findPlacedServices,
    acceptChanges: flags.acceptChanges === true,
  })
  await confirm(context, flags, host, `Undo ${describe(context, journal)}${last}`)
  const unmerged = await unmergeSources(host, place, journal.id)
  const result = await rollbackRestore(place.remote, { ...place, id: journal.id })
  if (result.outcome === 'stuck') {
    throw new RelayError(
      'rollback-stuck',
      `restore ${journal.id} can't be undone further: ${printable(result.reason)}`,
      {
        host: host.name,
        next: 'Correct that on the server, then run this again; it goes on where it stopped.',
      },
    )
  }
  await sweepStaging(place.remote, place)
  const lines = [
    `${host.name}: ${result.outcome === 'abandoned' ? 'nothing had been replaced' : 'the old data is back, services as before'} (restore ${journal.id})`,
    ...heldLines,
    ...unmerged,
    ...accepted.map(({ message }) => `  ${printable(message)}`),
    ...result.notes.map((note) => `  ${printable(note)}`),
  ]
  return {
    exitCode,
    text: lines.join('\n'),
    json: { restore: journal.id, ...result, findings: [...held, ...accepted] },
  }
}

/**
 * With `--yes` nobody sees which restore is undone. The last one may be meant, so an older one is not undone in its
 * place.
 */
async function refuseOlder(
  context: CommandContext,
  host: HostConfig,
  place: Visit,
  older: RestoreJournal,
  undone: RestoreJournal,
): Promise<RelayError> {
  const held = await settleHeld(place)
  const message = [`The last restore, ${undone.id}, is undone already (${describeState(undone)})`]
  return new RelayError('already-undone', [...message, ...held.map((one) => one.message)].join('; '), {
    host: host.name,
    next: `There is an older ${describe(context, older)}. If that is to be undone: relay-backup rollback --host ${host.name} --restore ${older.id}`,
  })
}

/** A pull that was cut off may have left services stopped or paused, too. */
async function settleHeld(place: Visit): Promise<readonly Finding[]> {
  const { host, remote, probe, deployment, signal } = place
  if (probe.deployment === undefined || probe.holds.length === 0) return []
  await using _lock = await lockDeployment(remote, deployment, { sudo: host.sudo, signal })
  return await settleLeftHolds(place, { settleHolds })
}

/** Either side of a migration settles both: one of the two servers serves, and only one. */
async function settleBoth(
  context: CommandContext,
  config: Config,
  host: HostConfig,
  settled: {
    readonly id: string
    readonly migration: MigrationRole
    /** The migration that decides, where the one of the journal is undone. */
    readonly before: RestoreJournal | undefined
  },
  flags: RollbackFlags,
): Promise<CommandOutcome> {
  const { id, migration, before } = settled
  const own = { name: host.name, config: host }
  const other = { name: migration.host, config: config.hosts.find(({ name }) => name === migration.host) }
  const [from, to] = migration.role === 'from' ? [own, other] : [other, own]
  const { outcome, notes } = await settleMigration(
    { id, from, to },
    {
      ...reached,
      findPlacedServices,
      confirm: (what) => confirm(context, flags, host, what),
    },
    context.signal,
  )
  const head = {
    nothing: 'is settled already',
    finished: 'was decided, and is closed now',
    undone: 'is undone',
  }[outcome]
  const older =
    outcome === 'nothing' && before !== undefined && before.id !== id
      ? [
          `Before it came migration ${before.id}. If that is to be taken back: relay-backup rollback --host ${host.name} --restore ${before.id}`,
        ]
      : []
  return {
    exitCode: ExitCode.done,
    text: [`${from.name} to ${to.name}: migration ${id} ${head}`, ...notes, ...older].join('\n'),
    json: { migration: id, outcome, notes },
  }
}

/** Takes away what a merge added to running services, where nobody has changed it since. */
async function unmergeSources(host: HostConfig, place: Visit, id: string): Promise<string[]> {
  const { remote, probe, deployment, privilege, signal } = place
  const lines: string[] = []
  for (const config of host.sources) {
    const { merging } = await restorableOf(config.kind)
    if (merging === undefined) continue
    const context: RestoreContext = {
      host: remote,
      probe,
      privilege,
      secret: resolveSecret,
      findContainer: (reference) =>
        findSourceContainer(remote, host.services, reference, {
          deployment,
          privilege: host.sudo ? 'sudo' : undefined,
          signal,
        }),
      step: () => undefined,
      signal,
    }
    const journal = mergeJournal(place.deployment, id, config.name)
    const { removed, changed } = await merging.unmerge(context, config, journal)
    if (removed + changed > 0)
      lines.push(`  ${config.name}: ${removed} removed again, ${changed} were changed since and stay`)
  }
  return lines
}

async function discard(
  context: CommandContext,
  host: HostConfig,
  place: Visit,
  journals: readonly RestoreJournal[],
  flags: RollbackFlags,
): Promise<CommandOutcome> {
  const closed = journals.filter((journal) => journal.state === 'closed')
  const chosen =
    flags.restore === undefined ? closed : closed.filter((journal) => journal.id === flags.restore)
  const kept = chosen.flatMap((journal) => journal.kept)
  if (kept.length === 0) {
    return {
      exitCode: ExitCode.done,
      text: `${host.name}: nothing was set aside`,
      json: { removed: [], left: [] },
    }
  }
  const late = await findLateWrites(place.remote, { ...place, ids: chosen.map((journal) => journal.id) })
  const lateLines = late.map(describeLate)
  // With `--yes` nobody has looked at it, so it takes the id of the restore.
  const spares = flags.yes === true && flags.restore === undefined
  const spared = new Set(spares ? late.map(({ id }) => id) : [])
  const removed = chosen.filter(({ id }) => !spared.has(id))
  const bytes = removed.flatMap((journal) => journal.kept).reduce((sum, one) => sum + one.bytes, 0)
  const warning = late.length === 0 || spares ? '' : ` – ${lateLines.join('; ')}`
  await confirm(
    context,
    flags,
    host,
    `Remove what ${removed.length} restores have set aside, ${formatSize(bytes)}, for good${warning}`,
  )
  const ids = removed.map((journal) => journal.id)
  const removal =
    ids.length === 0 ? { removed: [], left: [] } : await discardRestores(place.remote, { ...place, ids })
  const again = [...spared].map((id) => `relay-backup rollback --host ${host.name} --discard --restore ${id}`)
  const lines = [
    `${host.name}: removed ${formatSize(bytes)}`,
    ...removal.removed.map((path) => `  ${printable(path)}`),
    ...removal.left.map((reason) => `  left: ${printable(reason)}`),
    ...lateLines.map((line) => `  ${spares ? 'left' : 'with it'}: ${line}`),
    ...(again.length === 0 ? [] : [`  Next: take from it what is wanted; then: ${again.join(', ')}`]),
  ]
  const isWhole = removal.left.length === 0 && spared.size === 0
  return {
    exitCode: isWhole ? ExitCode.done : ids.length === 0 ? ExitCode.failed : ExitCode.partial,
    text: lines.join('\n'),
    json: { ...removal, writtenSince: late.map((one) => ({ ...one, kept: spared.has(one.id) })) },
  }
}

function describeLate({ id, files, path, names }: LateWrites): string {
  const count = files === 1 ? '1 file' : `${files} files`
  return `${count} written after restore ${id}, and nowhere else (${printable(names) || 'see there'}): ${printable(path)}`
}

function describe(context: CommandContext, journal: RestoreJournal): string {
  const age = formatAge(context.now().getTime() - journal.begunAt.getTime())
  return `restore ${journal.id} of ${age} (${describeState(journal)}): ${journal.targets.map(printable).join(', ')}`
}

function describeState(journal: RestoreJournal): string {
  return journal.state === 'closed' ? (journal.how ?? 'closed') : `left at: ${journal.state}`
}

async function confirm(
  context: CommandContext,
  flags: RollbackFlags,
  host: HostConfig,
  what: string,
): Promise<void> {
  if (flags.yes === true) return
  if (!context.interactive) {
    throw new UsageError('Nobody can be asked to confirm', {
      host: host.name,
      next: `It would be: ${what}. Add --yes.`,
    })
  }
  const { confirm: question } = await import('@inquirer/prompts')
  const agreed = await ask(() =>
    question({ message: `${what}?`, default: false }, { signal: context.signal, output: process.stderr }),
  )
  if (!agreed) throw new InterruptedError('Not confirmed; nothing was changed', { host: host.name })
}
