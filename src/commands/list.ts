import { loadConfig } from '../config/load.ts'
import { ExitCode } from '../exit-codes.ts'
import { snapshotTime } from '../model/names.ts'
import { printable } from '../model/path-bytes.ts'
import { contentOf, isTorn, storedBytes, typeGroup, type Purpose } from '../model/snapshot.ts'
import { formatCount, formatSize } from '../model/units.ts'
import { formatAge } from '../report/format.ts'
import { renderTable } from '../report/table.ts'
import { heldBytes } from '../sources/held-bytes.ts'
import { completePulls, type Snapshot, type Vault } from '../vault/contract.ts'
import { setBackFinding } from '../pull/set-back.ts'
import { openLedgerMarks } from '../state/ledger-marks.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { hostsByName } from './hosts-by-name.ts'

export interface ListedSnapshot {
  readonly snapshot: string
  readonly createdAt: string
  /** Negative when it is dated in the future. */
  readonly ageMs: number
  readonly purpose: Purpose
  readonly complete: boolean
  /** It holds the schema or the data of its sources alone. */
  readonly only?: 'schema' | 'data'
  /** Sources with archives in it. */
  readonly sources: readonly string[]
  /** Sources that were asked for and failed. */
  readonly missing: readonly string[]
  /** Sources that were captured in a copy that nobody may rely on. */
  readonly torn: readonly string[]
  /** What its sources held, in bytes: of an incremental more than what is in its own archives. */
  readonly size: number
  /** What its files take in the vault. */
  readonly bytes: number
  readonly latest: boolean
  /** Some part of it was found damaged, and was not proven mended since. */
  readonly damaged: boolean
  /** A person goes on without it. It counts as no good one. */
  readonly lossAccepted: boolean
  /** Retention dropped it; only those that build on it keep it on disk. */
  readonly retired: boolean
  /** Ids of snapshots that build on it. */
  readonly neededBy: readonly string[]
}

export interface ListedHost {
  readonly host: string
  readonly snapshots: readonly ListedSnapshot[]
  /** What all of it takes in the vault, retired snapshots included. */
  readonly bytes: number
  readonly retired: { readonly snapshots: number; readonly bytes: number }
  /** Why rotation waits for a person. */
  readonly rotationPaused?: string | undefined
  /** What says that the vault once held more of this host. */
  readonly setBack?: string | undefined
}

/** What is not known of the vault as a whole. */
export interface ListWarning {
  readonly message: string
  readonly next: string | undefined
}

interface Listing {
  readonly vault: string
  readonly hosts: readonly ListedHost[]
  readonly warning?: ListWarning
}

/** The flags of `list` as commander hands them over. */
export interface ListFlags {
  /** Retired snapshots, too. */
  readonly all?: boolean
}

/** `list [host]`: the snapshots of the vault in the order they were made; also of hosts that are no longer configured. */
export async function list(
  context: CommandContext,
  args: readonly string[],
  flags: ListFlags = {},
): Promise<CommandOutcome> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const vault = await openExistingVault(config.vault, { marks: openLedgerMarks(context.env) })
  const asked = args[0]
  if (vault === undefined) return outcome({ vault: config.vault, hosts: [] }, context)
  const { hosts: names, warning } = await hostsByName(vault, asked === undefined ? [] : [asked])
  const hosts = await listHosts(vault, names, context.now(), flags)
  return outcome(
    {
      vault: config.vault,
      hosts,
      ...(warning && { warning: { message: warning.message, next: warning.next } }),
    },
    context,
  )
}

export async function listHosts(
  vault: Vault,
  names: readonly string[],
  now: Date,
  { all = false }: ListFlags = {},
): Promise<ListedHost[]> {
  const hosts: ListedHost[] = []
  for (const host of names) {
    const found = await vault.snapshots(host, { retired: true })
    const latest = completePulls(found).at(-1)
    const children = childrenOf(found)
    const snapshots = found.map((one) => listed(one, one === latest, children.get(one.id) ?? [], now))
    const retired = snapshots.filter((one) => one.retired)
    const sum = (of: readonly ListedSnapshot[]) => of.reduce((total, { bytes }) => total + bytes, 0)
    hosts.push({
      host,
      snapshots: all ? snapshots : snapshots.filter((one) => !one.retired),
      bytes: sum(snapshots),
      retired: { snapshots: retired.length, bytes: sum(retired) },
      rotationPaused: await vault.rotationPaused(host),
      setBack: (await setBackFinding(vault, host))?.message,
    })
  }
  return hosts
}

/** Which snapshots build on each. */
function childrenOf(snapshots: readonly Snapshot[]): Map<string, string[]> {
  const children = new Map<string, string[]>()
  for (const { id, manifest } of snapshots) {
    for (const parent of new Set(manifest.sources.flatMap(({ parents }) => parents))) {
      children.set(parent, [...(children.get(parent) ?? []), id])
    }
  }
  return children
}

function listed(snapshot: Snapshot, latest: boolean, neededBy: readonly string[], now: Date): ListedSnapshot {
  const { host, id, manifest, removedFiles, retired } = snapshot
  const there = manifest.sources.filter(({ archives }) =>
    archives.some(({ file }) => !removedFiles.has(file)),
  )
  const made = new Set(manifest.sources.map(({ name }) => name))
  return {
    snapshot: `${host}/${id}`,
    createdAt: manifest.createdAt,
    ageMs: now.getTime() - snapshotTime(id).getTime(),
    purpose: manifest.purpose,
    complete: manifest.complete,
    ...onlyOf(manifest),
    sources: there.map(({ name }) => name),
    missing: manifest.selection.filter((name) => !made.has(name)),
    torn: there.filter(isTorn).map(({ name }) => name),
    size: there.reduce((sum, source) => sum + heldBytes(source), 0),
    bytes: storedBytes(snapshot),
    latest,
    damaged: snapshot.damage !== undefined,
    lossAccepted: snapshot.lossAccepted === true,
    retired,
    neededBy,
  }
}

function onlyOf(manifest: Snapshot['manifest']): Pick<ListedSnapshot, 'only'> {
  const [first] = manifest.sources
  const only = typeGroup(manifest) === undefined || first === undefined ? 'all' : contentOf(first)
  return only === 'all' ? {} : { only }
}

function outcome(listing: Listing, context: CommandContext): CommandOutcome {
  const { vault, hosts, warning } = listing
  const table = renderList(hosts, { vault, color: context.color, columns: context.columns })
  const said =
    warning === undefined
      ? []
      : [
          `warning: ${printable(warning.message)}`,
          ...(warning.next === undefined ? [] : [`Next: ${printable(warning.next)}`]),
        ]
  return { exitCode: ExitCode.done, text: [table, ...said].join('\n'), json: listing }
}

/** The table that `list` prints. */
export function renderList(
  hosts: readonly ListedHost[],
  {
    vault,
    color,
    columns,
  }: { readonly vault: string; readonly color: boolean; readonly columns?: number | undefined },
): string {
  const snapshots = hosts.flatMap((host) => host.snapshots)
  const setBack = hosts.flatMap(({ host, setBack: message }) =>
    message === undefined
      ? []
      : [
          `${printable(host)}: ${printable(message)}`,
          `Next: see all of it with: relay-backup verify ${printable(host)}`,
        ],
  )
  if (snapshots.length === 0 && setBack.length > 0) return setBack.join('\n')
  if (snapshots.length === 0) {
    return `No snapshots in ${printable(vault)} yet. Make the first with: relay-backup pull`
  }
  const table = renderTable(
    snapshots.map((one) => [
      printable(one.snapshot),
      formatAge(one.ageMs),
      one.purpose,
      state(one),
      formatSize(one.size),
      formatSize(one.bytes),
      printable(one.sources.join(' ')),
      one.latest ? 'latest' : '',
    ]),
    {
      head: ['snapshot', 'age', 'purpose', 'state', 'holds', 'in vault', 'sources', ''],
      align: ['left', 'right', 'left', 'left', 'right', 'right', 'left', 'left'],
      color,
      columns,
    },
  )
  const bytes = hosts.reduce((sum, host) => sum + host.bytes, 0)
  const totals = `${formatCount(snapshots.length, 'snapshot')} of ${formatCount(hosts.length, 'host')}, ${formatSize(bytes)} in the vault`
  const retired = hosts.reduce(
    (sum, host) => ({
      snapshots: sum.snapshots + host.retired.snapshots,
      bytes: sum.bytes + host.retired.bytes,
    }),
    { snapshots: 0, bytes: 0 },
  )
  const hidden = snapshots.some((one) => one.retired) || retired.snapshots === 0
  const kept =
    retired.snapshots === 0
      ? []
      : [
          `${formatSize(retired.bytes)} of that are in ${formatCount(retired.snapshots, 'retired snapshot')}: retention dropped ${retired.snapshots === 1 ? 'it' : 'them'}, and newer ones build on ${retired.snapshots === 1 ? 'it' : 'them'}${hidden ? '' : ' (see: relay-backup list --all)'}`,
        ]
  const paused = hosts.flatMap(({ host, rotationPaused }) =>
    rotationPaused === undefined
      ? []
      : [
          `Rotation of ${host} is paused: ${printable(rotationPaused)}`,
          `Next: if that is right, run: relay-backup prune ${host} --accept`,
        ],
  )
  const ahead = snapshots.flatMap((one) => (one.ageMs < 0 ? [printable(one.snapshot)] : []))
  const future =
    ahead.length === 0
      ? []
      : [
          `Dated ahead of this computer's clock: ${ahead.join(', ')}`,
          'Next: set the clock right if it is wrong now; `latest` is the snapshot that was made last, whatever its date',
        ]
  return [table, '', totals, ...kept, ...future, ...paused, ...setBack].join('\n')
}

function state(snapshot: ListedSnapshot): string {
  const { complete, missing, torn, damaged, lossAccepted, retired, neededBy } = snapshot
  const nothingMissing = snapshot.only === undefined ? 'partial' : `${snapshot.only} only`
  const partial = missing.length === 0 ? nothingMissing : `without ${printable(missing.join(' '))}`
  const whole = complete ? 'complete' : partial
  const named = torn.length === 0 ? [] : [`torn ${printable(torn.join(' '))}`]
  const said = complete && torn.length > 0 ? named : [whole, ...named]
  const last = neededBy.at(-1)
  const needed =
    last === undefined
      ? ''
      : `, needed by ${last}${neededBy.length === 1 ? '' : ` and ${neededBy.length - 1} more`}`
  return [
    ...said,
    ...(damaged ? ['damaged'] : []),
    ...(lossAccepted ? ['given up'] : []),
    ...(retired ? [`retired${needed}`] : []),
  ].join(', ')
}
