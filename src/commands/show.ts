import { loadConfig } from '../config/load.ts'
import { UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { Facts } from '../model/facts.ts'
import { snapshotTime } from '../model/names.ts'
import { printable } from '../model/path-bytes.ts'
import {
  isTorn,
  typeGroup,
  type Manifest,
  type ManifestFile,
  type ManifestSource,
} from '../model/snapshot.ts'
import { formatDuration, formatSize } from '../model/units.ts'
import { codeWords, formatAge } from '../report/format.ts'
import { renderTable, type TableOptions } from '../report/table.ts'
import { findKind } from '../sources/registry.ts'
import type { Snapshot } from '../vault/contract.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { showSnapshot, type ShownSnapshot } from '../show/show-snapshot.ts'
import type { CommandContext, CommandOutcome } from './context.ts'

/** `show SNAPSHOT`: all that the manifest and the ledger say of one snapshot. */
export async function show(context: CommandContext, args: readonly string[]): Promise<CommandOutcome> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const vault = await openExistingVault(config.vault)
  if (vault === undefined) {
    throw new UsageError('There is no vault yet', { next: 'Make a first snapshot with: relay-backup pull' })
  }
  const shown = await showSnapshot(vault, args[0] ?? 'latest')
  const { snapshot, bytes, damage } = shown
  return {
    exitCode: ExitCode.done,
    text: renderSnapshot(shown, context),
    json: {
      snapshot: `${snapshot.host}/${snapshot.id}`,
      manifestHash: snapshot.manifestHash,
      retired: snapshot.retired,
      removedFiles: [...snapshot.removedFiles],
      bytes,
      damage,
      manifest: snapshot.manifest,
    },
  }
}

/** The page that `show` prints. */
export function renderSnapshot(
  { snapshot, bytes, missing, damage }: ShownSnapshot,
  { now, color, columns }: Pick<CommandContext, 'now' | 'color'> & Pick<TableOptions, 'columns'>,
): string {
  const { host, id, manifest, manifestHash, retired, unrecorded } = snapshot
  const took = Date.parse(manifest.finishedAt) - Date.parse(manifest.createdAt)
  const lines: [string, string][] = [
    ['snapshot', `${host}/${id}`],
    ['made', `${manifest.createdAt} (${formatAge(now().getTime() - snapshotTime(id).getTime())})`],
    ['took', formatDuration(Math.max(0, took))],
    ['purpose', manifest.purpose],
    ['complete', manifest.complete ? 'yes' : `no${whyNot(manifest, missing)}`],
    ['size', formatSize(bytes)],
    ['server', `${manifest.server.os} (${manifest.server.arch})`],
    [
      'versions',
      Object.entries(manifest.server.versions)
        .map((pair) => pair.join(' '))
        .join(', '),
    ],
    ['made by', `${manifest.tool.name} ${manifest.tool.version}`],
    ['manifest', manifestHash],
  ]
  if (retired) lines.push(['retired', 'dropped by retention; an incremental needs it'])
  if (unrecorded === true) lines.push(['unrecorded', 'the ledger does not know it'])
  for (const { file, message, at } of damage) {
    lines.push(['damaged', `${file === undefined ? '' : `${file}: `}${message} (found ${at})`])
  }
  const table = renderTable(
    lines.filter(([, value]) => value !== '').map(([name, value]) => [name, printable(value)]),
  )
  return [
    table,
    ...manifest.sources.map((source) => renderSource(source, snapshot, { color, columns })),
  ].join('\n\n')
}

function renderSource(
  source: ManifestSource,
  { removedFiles }: Snapshot,
  style: Pick<TableOptions, 'color' | 'columns'>,
): string {
  const row = ({ file, bytes, sha256 }: ManifestFile, plainBytes?: number) => [
    printable(file),
    removedFiles.has(file) ? 'removed' : formatSize(bytes),
    plainBytes === undefined ? '' : formatSize(plainBytes),
    sha256,
  ]
  const rows = [
    ...source.archives.map((archive) => row(archive, archive.plainBytes)),
    ...(source.index === undefined ? [] : [row(source.index)]),
    ...(source.replay === undefined ? [] : [row(source.replay)]),
  ]
  const head = ['file', 'size', 'plain', 'sha256']
  const keys = new Set(source.archives.flatMap(({ recipients }) => recipients))
  return [
    `${printable(source.name)}: ${source.kind}, ${source.mode}, ${describeFacts(source.facts)}`,
    ...(isTorn(source)
      ? ['torn: a database in it was written to each time it was read, and may not open as it is here']
      : []),
    renderTable(rows, { head, align: ['left', 'right', 'right', 'left'], ...style }),
    ...(source.parents.length === 0 ? [] : [`needs ${source.parents.join(' ')}`]),
    keys.size === 0 ? 'encrypted with a passphrase' : `encrypted to ${[...keys].join(' ')}`,
    ...source.warnings.map(({ code, count }) => `warning: ${printable(codeWords(code))} (${count})`),
  ].join('\n')
}

function describeFacts(facts: Facts): string {
  return findKind(facts.kind)?.facts?.describe(facts) ?? 'facts of a newer version'
}

function whyNot(manifest: Manifest, missing: readonly string[]): string {
  if (missing.length > 0) return `, without ${missing.join(' ')}`
  const group = typeGroup(manifest)
  return group === undefined ? '' : `: only the ${group}`
}
