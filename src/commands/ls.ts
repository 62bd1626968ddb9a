import { ExitCode } from '../exit-codes.ts'
import { parseAddress, sourceNamed } from '../look/address.ts'
import { listEntries, shownEntry, shownTime, type LookEntry } from '../look/list-entries.ts'
import { resolvePath } from '../look/resolve-path.ts'
import { pathFromJson, printable } from '../model/path-bytes.ts'
import { formatCount, formatSize } from '../model/units.ts'
import { renderTable } from '../report/table.ts'
import { heldBytes } from '../sources/held-bytes.ts'
import type { Snapshot } from '../vault/contract.ts'
import { resolveSnapshot } from '../vault/resolve-snapshot.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { wireLook } from './wire-look.ts'

/** The flags of `ls` as commander hands them over. */
export interface LsFlags {
  readonly long?: boolean
  readonly recursive?: boolean
}

/** `ls SNAPSHOT [SOURCE:PATH…]`: what is in a snapshot. Without a source it names the sources, and needs no secret. */
export async function ls(
  context: CommandContext,
  [reference = 'latest', ...rest]: readonly string[],
  flags: LsFlags,
): Promise<CommandOutcome> {
  const addresses = rest.map(parseAddress)
  const dependencies = await wireLook(context)
  const snapshot = await resolveSnapshot(dependencies.vault, reference)
  const name = `${snapshot.host}/${snapshot.id}`
  if (addresses.length === 0) return listSources(snapshot, context)
  const entries: LookEntry[] = []
  for (const address of addresses) {
    const source = sourceNamed(address, snapshot.manifest.sources, name)
    const found = await resolvePath({ snapshot, source }, address, dependencies)
    context.signal.throwIfAborted()
    const options = { recursive: flags.recursive === true }
    for (const entry of await listEntries({ snapshot, source }, found, options, dependencies))
      entries.push(entry)
  }
  return {
    exitCode: ExitCode.done,
    text: flags.long === true ? renderLong(entries) : entries.map(shownEntry).join('\n'),
    verbatim: true,
    json: { snapshot: name, entries },
  }
}

function listSources(snapshot: Snapshot, { color }: CommandContext): CommandOutcome {
  const { host, id, manifest, removedFiles } = snapshot
  const sources = manifest.sources.map((source) => ({
    source: source.name,
    kind: source.kind,
    entries: source.entries,
    size: heldBytes(source),
    removed: source.index !== undefined && removedFiles.has(source.index.file),
  }))
  const rows = sources.map(({ source, kind, entries, size, removed }) => [
    printable(`${source}:`),
    printable(kind),
    removed ? 'removed by retention' : formatCount(entries, 'entry', 'entries'),
    removed ? '' : formatSize(size),
  ])
  return {
    exitCode: ExitCode.done,
    text: renderTable(rows, { align: ['left', 'left', 'right', 'right'], color }),
    json: { snapshot: `${host}/${id}`, sources },
  }
}

function shownLink({ type, link }: LookEntry): string {
  const arrow = { symlink: ' -> ', hardlink: ' link to ' }[type as string]
  return arrow === undefined || link === undefined ? '' : `${arrow}${printable(pathFromJson(link))}`
}

/** Mode, owner, size, time and name of each entry, one a line. */
export function renderLong(entries: readonly LookEntry[]): string {
  return renderTable(
    entries.map((entry) => [
      modeText(entry),
      printable(entry.owner === undefined ? '' : `${entry.owner || entry.uid}:${entry.group || entry.gid}`),
      entry.type === 'file' || entry.type === 'dump' ? formatSize(entry.size) : '-',
      shownTime(entry),
      `${shownEntry(entry)}${shownLink(entry)}${describeObjects(entry)}`,
    ]),
    { align: ['left', 'left', 'right', 'left', 'left'] },
  )
}

function describeObjects({ objects = [] }: LookEntry): string {
  if (objects.length === 0) return ''
  const said = objects.map(({ type, name, rows }) => `${type} ${name}${rows === undefined ? '' : ` ${rows}`}`)
  return ` (${printable(said.join(', '))})`
}

const LETTERS: Readonly<Record<LookEntry['type'], string>> = {
  file: '-',
  dump: '-',
  hardlink: 'h',
  directory: 'd',
  symlink: 'l',
  fifo: 'p',
  'character-device': 'c',
  'block-device': 'b',
}

/** `-rw-r-----`, as `ls -l` and `tar -tv` write it. */
function modeText({ type, mode }: LookEntry): string {
  if (mode === undefined) return LETTERS[type]
  const bits = [...'rwxrwxrwx'].map((letter, at) => ((mode >> (8 - at)) & 1 ? letter : '-'))
  const special = (place: number, bit: number, on: string) => {
    if ((mode & bit) !== 0) bits[place] = bits[place] === 'x' ? on : on.toUpperCase()
  }
  special(2, 0o4000, 's')
  special(5, 0o2000, 's')
  special(8, 0o1000, 't')
  return LETTERS[type] + bits.join('')
}
