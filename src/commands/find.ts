import { UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import { findNames, type FoundNames, type FoundVersion } from '../look/find-names.ts'
import { shownEntry, shownTime } from '../look/list-entries.ts'
import { pathFromJson, printable } from '../model/path-bytes.ts'
import { formatCount, formatSize, parseDuration } from '../model/units.ts'
import { codeWords } from '../report/format.ts'
import { errorToJson } from '../report/render-error.ts'
import { resolveHost } from '../vault/resolve-snapshot.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { wireLook } from './wire-look.ts'

/** The flags of `find` as commander hands them over. */
export interface FindFlags {
  readonly host?: string
  readonly since?: string
}

/** `find NAME`: which snapshots have a file of this name, each distinct version once. */
export async function find(
  context: CommandContext,
  [pattern = '']: readonly string[],
  flags: FindFlags,
): Promise<CommandOutcome> {
  if (pattern === '')
    throw new UsageError('No name to look for', { next: "Write it like: relay-backup find '*.log'" })
  const age = flags.since === undefined ? undefined : parseDuration(flags.since)
  if (flags.since !== undefined && age === undefined) {
    throw new UsageError(`--since ${flags.since}: not a duration`, {
      next: 'Write it like 30d, 12h or 1h30m',
    })
  }
  const dependencies = await wireLook(context)
  const { vault } = dependencies
  const hosts = flags.host === undefined ? await vault.hosts() : [await resolveHost(vault, flags.host)]
  const since = age === undefined ? undefined : new Date(context.now().getTime() - age)
  const found = await findNames(pattern, { hosts, since }, dependencies, context.signal)
  return {
    exitCode: exitCodeOf(found),
    text: render(pattern, found),
    verbatim: true,
    json: {
      pattern,
      looked: found.looked,
      versions: found.versions.map(({ host, entry, snapshots }) => ({ host, ...entry, snapshots })),
      failed: found.failed.map(({ error, ...where }) => ({ ...where, ...(errorToJson(error) as object) })),
    },
  }
}

/** What could not be looked into may have it. */
function exitCodeOf({ failed, looked }: FoundNames): ExitCode {
  if (failed.length === 0) return ExitCode.done
  return new Set(failed.map(({ host, snapshot }) => `${host}/${snapshot}`)).size === looked
    ? ExitCode.failed
    : ExitCode.partial
}

function render(pattern: string, { versions, looked, failed }: FoundNames): string {
  const failures = failed.flatMap(({ host, snapshot, source, error }) => [
    `Not looked into: ${printable(source)} of ${host}/${snapshot}: ${printable(error.message)}`,
    ...(error.details.next === undefined ? [] : [`Next: ${printable(error.details.next)}`]),
  ])
  const where = formatCount(looked, 'snapshot')
  if (versions.length === 0) return [`No ${printable(pattern)} in ${where}`, ...failures].join('\n')
  const lines: string[] = []
  let last = ''
  for (const version of versions) {
    const { host, entry } = version
    const name = `${host} ${shownEntry(entry)}`
    if (name !== last) lines.push(name)
    last = name
    lines.push(`  ${describe(version)}`)
  }
  const total = `${formatCount(versions.length, 'version')} in ${where}`
  return [...lines, '', total, ...failures].join('\n')
}

function describe({ entry, snapshots }: FoundVersion): string {
  const { type, size, link } = entry
  const what =
    type === 'file' || type === 'dump'
      ? formatSize(size)
      : `${codeWords(type)}${link === undefined ? '' : ` to ${printable(pathFromJson(link))}`}`
  const [newest = ''] = snapshots
  const oldest = snapshots.at(-1) ?? ''
  const range =
    snapshots.length === 1 ? newest : `${formatCount(snapshots.length, 'snapshot')}, ${oldest} to ${newest}`
  return `${what}, of ${shownTime(entry)}: ${range}`
}
