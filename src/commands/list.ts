import { loadConfig } from '../config/load.ts'
import { ExitCode } from '../exit-codes.ts'
import { snapshotTime } from '../model/names.ts'
import { printable } from '../model/path-bytes.ts'
import { isTorn, type Purpose } from '../model/snapshot.ts'
import { formatSize } from '../model/units.ts'
import { formatAge, formatCount } from '../report/format.ts'
import { renderTable } from '../report/table.ts'
import { completePulls, type Snapshot, type Vault } from '../vault/contract.ts'
import { setBackFinding } from '../pull/set-back.ts'
import { openLedgerMarks } from '../state/ledger-marks.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import { resolveHost } from '../vault/resolve-snapshot.ts'
import { storedBytes } from '../verify/verify-vault.ts'
import type { CommandContext, CommandOutcome } from './context.ts'

export interface ListedSnapshot {
  readonly snapshot: string
  readonly createdAt: string
  /** Negative when it is dated in the future. */
  readonly ageMs: number
  readonly purpose: Purpose
  readonly complete: boolean
  /** Sources with archives in it. */
  readonly sources: readonly string[]
  /** Sources that were asked for and failed. */
  readonly missing: readonly string[]
  /** Sources that were captured in a copy that nobody may rely on. */
  readonly torn: readonly string[]
  readonly bytes: number
  readonly latest: boolean
  /** Some part of it was found damaged, and was not proven mended since. */
  readonly damaged: boolean
}

export interface ListedHost {
  readonly host: string
  readonly snapshots: readonly ListedSnapshot[]
  readonly bytes: number
  /** Why rotation waits for a person. */
  readonly rotationPaused?: string | undefined
  /** What says that the vault once held more of this host. */
  readonly setBack?: string | undefined
}

/** `list [host]`: the snapshots of the vault in the order they were made; also of hosts that are no longer configured. */
export async function list(context: CommandContext, args: readonly string[]): Promise<CommandOutcome> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const vault = await openExistingVault(config.vault, { marks: openLedgerMarks(context.env) })
  const asked = args[0]
  if (vault === undefined) return outcome(config.vault, [], context)
  const names = asked === undefined ? await vault.hosts() : [await resolveHost(vault, asked)]
  return outcome(config.vault, await listHosts(vault, names, context.now()), context)
}

export async function listHosts(vault: Vault, names: readonly string[], now: Date): Promise<ListedHost[]> {
  const hosts: ListedHost[] = []
  for (const host of names) {
    const found = await vault.snapshots(host)
    const latest = completePulls(found).at(-1)
    const snapshots = found.map((one) => listed(one, one === latest, now))
    hosts.push({
      host,
      snapshots,
      bytes: snapshots.reduce((sum, { bytes }) => sum + bytes, 0),
      rotationPaused: await vault.rotationPaused(host),
      setBack: (await setBackFinding(vault, host))?.message,
    })
  }
  return hosts
}

function listed(snapshot: Snapshot, latest: boolean, now: Date): ListedSnapshot {
  const { host, id, manifest, removedFiles } = snapshot
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
    sources: there.map(({ name }) => name),
    missing: manifest.selection.filter((name) => !made.has(name)),
    torn: there.filter(isTorn).map(({ name }) => name),
    bytes: storedBytes(snapshot),
    latest,
    damaged: snapshot.damage !== undefined,
  }
}

function outcome(vault: string, hosts: readonly ListedHost[], context: CommandContext): CommandOutcome {
  return {
    exitCode: ExitCode.done,
    text: renderList(hosts, { vault, color: context.color }),
    json: { vault, hosts },
  }
}

/** The table that `list` prints. */
export function renderList(
  hosts: readonly ListedHost[],
  { vault, color }: { readonly vault: string; readonly color: boolean },
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
      formatSize(one.bytes),
      printable(one.sources.join(' ')),
      one.latest ? 'latest' : '',
    ]),
    {
      head: ['snapshot', 'age', 'purpose', 'state', 'size', 'sources', ''],
      align: ['left', 'right', 'left', 'left', 'right', 'left', 'left'],
      color,
    },
  )
  const bytes = hosts.reduce((sum, host) => sum + host.bytes, 0)
  const totals = `${formatCount(snapshots.length, 'snapshot')} of ${formatCount(hosts.length, 'host')}, ${formatSize(bytes)}`
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
  return [table, '', totals, ...future, ...paused, ...setBack].join('\n')
}

function state({ complete, missing, torn, damaged }: ListedSnapshot): string {
  const partial = missing.length === 0 ? 'partial' : `without ${printable(missing.join(' '))}`
  const whole = complete ? 'complete' : partial
  const named = torn.length === 0 ? [] : [`torn ${printable(torn.join(' '))}`]
  const said = complete && torn.length > 0 ? named : [whole, ...named]
  return [...said, ...(damaged ? ['damaged'] : [])].join(', ')
}
