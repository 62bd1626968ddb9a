import { resolve } from 'node:path'
import { ExitCode } from '../exit-codes.ts'
import { parseAddress } from '../look/address.ts'
import { extractSnapshot, type ExtractReport } from '../look/extract.ts'
import { shownAddress } from '../look/resolve-path.ts'
import { pathToJson, printable } from '../model/path-bytes.ts'
import { formatCount, formatNumber, formatSize } from '../model/units.ts'
import { errorToJson } from '../report/render-error.ts'
import { resolveSnapshot } from '../vault/resolve-snapshot.ts'
import { troubleLine } from '../report/trouble-line.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { wireLook } from './wire-look.ts'

/** The flags of `extract` as commander hands them over. */
export interface ExtractFlags {
  readonly to: string
  readonly overwrite?: boolean
}

/** `extract SNAPSHOT [SOURCE:PATH…] --to DIR`: writes what a snapshot holds below a directory of this machine. */
export async function extract(
  context: CommandContext,
  [reference = 'latest', ...rest]: readonly string[],
  flags: ExtractFlags,
): Promise<CommandOutcome> {
  const addresses = rest.map(parseAddress)
  const dependencies = await wireLook(context)
  const snapshot = await resolveSnapshot(dependencies.vault, reference)
  const to = resolve(context.cwd, flags.to)
  const request = { snapshot, addresses, to, overwrite: flags.overwrite === true }
  const report = await extractSnapshot(request, dependencies, context.signal)
  return { exitCode: exitCodeOf(report), text: render(report), quiet: troubles(report), json: toJson(report) }
}

/** A device or a FIFO has no content: that it is not made here is no failure. */
function exitCodeOf({ files, directories, links, failed, leftOut }: ExtractReport): ExitCode {
  if (failed.length === 0 && !leftOut.some(({ hostile }) => hostile)) return ExitCode.done
  return files + directories + links === 0 ? ExitCode.failed : ExitCode.partial
}

function toJson(report: ExtractReport): unknown {
  const { snapshot, leftOut, renamed, failed, ...rest } = report
  const path = (member: string) => pathToJson(Buffer.from(member, 'latin1'))
  return {
    snapshot: `${snapshot.host}/${snapshot.id}`,
    ...rest,
    leftOut: leftOut.map(({ source, member, why }) => ({ source, path: path(member), why })),
    renamed: renamed.map(({ source, member, as }) => ({ source, path: path(member), as: path(as) })),
    failed: failed.map(({ source, member, error }) => ({
      source,
      ...(member === undefined ? {} : { path: path(member) }),
      ...(errorToJson(error) as object),
    })),
  }
}

/** How many names of a kind of trouble are shown. */
const SHOWN = 10

function render(report: ExtractReport): string {
  const { snapshot, to, files, bytes, directories, links, leftOut, renamed, failed } = report
  const counts = [
    `${formatCount(files, 'file')} (${formatSize(bytes)})`,
    ...(directories === 0 ? [] : [formatCount(directories, 'directory', 'directories')]),
    ...(links === 0 ? [] : [formatCount(links, 'link')]),
  ]
  const lines = [`${snapshot.host}/${snapshot.id}: extracted ${counts.join(', ')} to ${printable(to)}`]
  const told = (groups: ReadonlyMap<string, readonly string[]>) => {
    for (const [what, names] of groups) {
      lines.push(what, ...names.slice(0, SHOWN).map((name) => `    ${name}`))
      if (names.length > SHOWN) lines.push(`    and ${formatNumber(names.length - SHOWN)} more`)
    }
  }
  told(
    grouped(
      renamed,
      () => '  note: the file system here can not hold these names:',
      ({ source, member, as }) =>
        `${shownAddress(source, member)} is ${printable(Buffer.from(as, 'latin1'))}`,
    ),
  )
  told(
    grouped(
      leftOut,
      ({ why }) => `  left out, because ${why}:`,
      ({ source, member }) => shownAddress(source, member),
    ),
  )
  told(
    grouped(
      failed,
      ({ error }) =>
        `  failed: ${printable(error.message)}${error.details.next === undefined ? '' : `\n  Next: ${printable(error.details.next)}`}`,
      ({ source, member }) => (member === undefined ? `all of ${source}` : shownAddress(source, member)),
    ),
  )
  return lines.join('\n')
}

/** What is not here though it was asked for, a line each. */
function troubles({ leftOut, failed }: Parameters<typeof render>[0]): string {
  return [
    ...leftOut.map(({ source, member, why }) =>
      troubleLine({
        label: 'warning',
        where: shownAddress(source, member),
        message: `left out, because ${why}`,
      }),
    ),
    ...failed.flatMap(({ error, source, member }) => {
      const where = member === undefined ? source : shownAddress(source, member)
      return [troubleLine({ label: 'failed', where, message: error.message, next: error.details.next })]
    }),
  ].join('\n')
}

function grouped<T>(
  all: readonly T[],
  by: (one: T) => string,
  name: (one: T) => string,
): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const one of all) groups.set(by(one), [...(groups.get(by(one)) ?? []), name(one)])
  return groups
}
