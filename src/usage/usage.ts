import pLimit from 'p-limit'
import { ConnectionError, expected, InterruptedError, RelayError } from '../errors.ts'
import type { HostConfig, SourceConfig } from '../model/config.ts'
import { storedBytes } from '../model/snapshot.ts'
import type { HostUsage, SourceUsage, UsageReport } from '../model/usage-report.ts'
import { locateSource } from '../pull/locate.ts'
import { namesToProbe, selectSources } from '../pull/select-sources.ts'
import { requireShell } from '../runs/access.ts'
import { visit, type VisitDependencies } from '../runs/visit.ts'
import { kindOf } from '../sources/registry.ts'
import { daysUntilFull, growthPerDay, heldPoints, storedOf, vaultGrowth } from '../status/growth.ts'
import type { StatusDependencies } from '../status/read-status.ts'
import type { Snapshot, Vault } from '../vault/contract.ts'
import { readSizes, type PathSize, type ServerSizes } from './read-sizes.ts'

/** Servers at a time. */
const JOBS = 8

/** The parts that `usage` is wired from. None of them changes anything. */
export interface UsageDependencies extends VisitDependencies, StatusDependencies {}

/**
 * How much lies on these servers and in the vault, by how much it grows, and how long the disks last at that pace. A
 * server that can't be reached has only what the vault knows of it. Throws only InterruptedError, and VaultError.
 */
export async function readUsage(
  hosts: readonly HostConfig[],
  dependencies: UsageDependencies,
  signal: AbortSignal,
): Promise<UsageReport> {
  const { vault, vaultPath, now } = dependencies
  const at = now()
  const growths = new Map<string, number | undefined>()
  for (const host of (await vault?.hosts()) ?? []) growths.set(host, await growthOf(vault, host, at))
  const turns = pLimit(JOBS)
  const usages = await Promise.all(
    hosts.map((host) => turns(() => usageOf(host, growths.get(host.name), dependencies, at, signal))),
  )
  const disk = vault === undefined ? undefined : await dependencies.disk()
  const known = [...growths.values()].filter((growth) => growth !== undefined)
  const growth = known.length === 0 ? undefined : known.reduce((sum, one) => sum + one, 0)
  return {
    at: at.toISOString(),
    vault: vaultPath,
    disk,
    growth,
    daysLeft: disk && daysUntilFull(disk.free, growth),
    hosts: usages,
  }
}

async function growthOf(vault: Vault | undefined, host: string, now: Date): Promise<number | undefined> {
  if (vault === undefined) return undefined
  const [ledger, runs, snapshots] = await Promise.all([
    vault.ledger(host),
    vault.runs(host),
    vault.snapshots(host, { retired: true }),
  ])
  return vaultGrowth(ledger, runs, snapshots, now)
}

async function usageOf(
  host: HostConfig,
  growthInVault: number | undefined,
  dependencies: UsageDependencies,
  now: Date,
  signal: AbortSignal,
): Promise<HostUsage> {
  const { vault } = dependencies
  const snapshots = (await vault?.snapshots(host.name, { retired: true })) ?? []
  const server = await measure(host, dependencies, signal).catch((thrown: unknown) => {
    const error = expected(thrown)
    if (signal.aborted || error instanceof InterruptedError) throw error
    return error
  })
  const sources = sourcesOf(host, server instanceof RelayError ? undefined : server, snapshots, now)
  const growths = sources.flatMap(({ growth }) => growth ?? [])
  const growth = growths.length === 0 ? undefined : growths.reduce((sum, one) => sum + one, 0)
  const disk = server instanceof RelayError ? undefined : server.sizes.disk
  return {
    host: host.name,
    ...(server instanceof RelayError
      ? { error: { code: server.code, message: server.message, next: nextOf(server) } }
      : {}),
    disk,
    growth,
    daysLeft: disk && daysUntilFull(disk.free, growth),
    vault: {
      bytes: snapshots.reduce((sum, one) => sum + storedBytes(one), 0),
      snapshots: snapshots.filter(({ retired }) => !retired).length,
      growth: growthInVault,
    },
    sources,
  }
}

function nextOf(error: RelayError): string | undefined {
  return error.details.next ?? (error instanceof ConnectionError ? 'See: relay-backup check' : undefined)
}

interface Measured {
  readonly sources: readonly SourceConfig[]
  /** In the order of the paths of the sources. */
  readonly sizes: ServerSizes
}

async function measure(
  host: HostConfig,
  dependencies: UsageDependencies,
  signal: AbortSignal,
): Promise<Measured> {
  await using place = await visit(host, { names: namesToProbe(host), insists: true }, dependencies, signal)
  requireShell(host.name, place.probe, 'usage')
  const { sources } = selectSources(host, undefined, place.probe.existing)
  const located: SourceConfig[] = []
  for (const source of sources)
    located.push(await locateSource(place, source).catch((error: unknown) => lost(error, source)))
  return { sources: located, sizes: await readSizes(place, located.flatMap(pathsOf)) }
}

/** Nobody knows where a volume lies that is not there: it has no size. */
function lost(error: unknown, source: SourceConfig): SourceConfig {
  if (error instanceof RelayError && !(error instanceof ConnectionError)) return source
  throw error
}

function pathsOf(source: SourceConfig): readonly string[] {
  return kindOf(source.kind).paths(source)
}

/** Those of the config, and those that only the vault has. */
function sourcesOf(
  host: HostConfig,
  server: Measured | undefined,
  snapshots: readonly Snapshot[],
  now: Date,
): SourceUsage[] {
  const kinds = new Map((server?.sources ?? host.sources).map(({ name, kind }) => [name, kind]))
  for (const { manifest } of snapshots)
    for (const { name, kind } of manifest.sources) if (!kinds.has(name)) kinds.set(name, kind)
  const sizes = [...(server?.sizes.paths ?? [])]
  const measured = new Map(
    (server?.sources ?? []).map((source) => [source.name, sizes.splice(0, pathsOf(source).length)]),
  )
  return [...kinds].map(([source, kind]) => {
    const points = heldPoints(snapshots, source)
    return {
      source,
      kind,
      ...sumOf(measured.get(source) ?? []),
      held: points.at(-1)?.bytes,
      stored: snapshots.reduce((sum, one) => sum + storedOf(one, source), 0),
      growth: growthPerDay(points, now),
    }
  })
}

function sumOf(
  paths: readonly (PathSize | undefined)[],
): Pick<SourceUsage, 'bytes' | 'atLeast' | 'directories'> {
  const there = paths.filter((path) => path !== undefined)
  if (there.length === 0) return { directories: [] }
  return {
    bytes: there.reduce((sum, { bytes }) => sum + bytes, 0),
    ...(there.some(({ atLeast }) => atLeast) ? { atLeast: true } : {}),
    directories: there.flatMap(({ directories }) => directories),
  }
}
