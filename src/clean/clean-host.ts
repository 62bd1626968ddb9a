import { DamageError, InterruptedError, RelayError } from '../errors.ts'
import { indexParts, type LookDependencies } from '../look/dependencies.ts'
import type { CleanedFile, CleanReport } from '../model/clean-report.ts'
import type { CleanRule, HostConfig } from '../model/config.ts'
import { pathToJson, printable } from '../model/path-bytes.ts'
import { isTorn, isWhole, type ManifestSource } from '../model/snapshot.ts'
import { formatCount, formatSize } from '../model/units.ts'
import { locateSource } from '../pull/locate.ts'
import type { PullDependencies } from '../pull/dependencies.ts'
import type { Reporter } from '../report/contract.ts'
import { sourceIndex } from '../restore/contents.ts'
import { choosePrivilege } from '../runs/privilege.ts'
import { withRun, type Ended, type Run } from '../runs/run.ts'
import { visit, type Visit, type VisitDependencies } from '../runs/visit.ts'
import { kindOf } from '../sources/registry.ts'
import { normaliseRoots } from '../sources/tree/roots.ts'
import type { Snapshot } from '../vault/contract.ts'
import { candidateOf, type Candidate } from './candidates.ts'
import { removeFiles } from './remove-files.ts'

export interface CleanRequest {
  readonly host: HostConfig
  readonly dryRun: boolean
}

export interface CleanDependencies
  extends LookDependencies, VisitDependencies, Pick<PullDependencies, 'lockDeployment'> {
  readonly reporter: Reporter
  readonly now: () => Date
  /** Asks whether to do this, a sentence without its stop; undefined: nobody is asked. */
  readonly confirm: ((what: string) => Promise<boolean>) | undefined
}

/** A rule, and the source of the snapshot that proves what goes. */
interface Proof {
  readonly rule: CleanRule
  readonly snapshot: Snapshot
  readonly source: ManifestSource
}

/**
 * Removes old files on a server that a snapshot holds byte for byte. The archives that hold them are read and compared with
 * their checksums first. Each file is compared with the snapshot right before it goes; what was changed since, or is open,
 * stays. Throws RelayError: `no-snapshot`, DamageError, `root-needed`, and what a visit throws.
 */
export async function cleanHost(
  { host, dryRun }: CleanRequest,
  dependencies: CleanDependencies,
  signal: AbortSignal,
): Promise<CleanReport> {
  const request = { operation: 'clean', host, locks: true, dryRun } as const
  return await withRun(request, dependencies, signal, async (run) => {
    const proofs = await proveSnapshots(host, dependencies, run)
    await using place = await visit(host, { shellFor: 'clean', insists: true }, dependencies, run.signal)
    const asRoot = { ...place, privilege: await rootOn(place, dependencies) }
    const old = new Map<CleanRule, Candidate[]>()
    for (const proof of proofs) old.set(proof.rule, await oldFiles(asRoot, proof, dependencies))
    const look = async (only: boolean) => await goThrough(asRoot, proofs, old, only)
    let files: readonly CleanedFile[]
    if (dryRun) {
      files = await look(true)
    } else {
      const { sudo } = host
      await using _lock = await dependencies.lockDeployment(place.remote, place.deployment, {
        sudo,
        signal: run.signal,
      })
      if (dependencies.confirm !== undefined)
        await confirmAll(host.name, proofs, await look(true), dependencies)
      files = await look(false)
    }
    const result = { host: host.name, dryRun, snapshots: heldIn(proofs), files }
    return { result, end: endOf(result) }
  })
}

/** The newest snapshot that holds the source of each rule whole, its archives read back. */
async function proveSnapshots(
  host: HostConfig,
  { vault }: CleanDependencies,
  { signal, reporter }: Run,
): Promise<Proof[]> {
  const snapshots = await vault.snapshots(host.name)
  const proofs = (host.clean ?? []).map((rule) => newestWith(host.name, rule, snapshots))
  const ids = new Set(proofs.flatMap(({ snapshot, source }) => [snapshot.id, ...source.parents]))
  reporter.event({ type: 'host-step', host: host.name, step: 'reading the snapshot back' })
  const problems = await vault.check(host.name, { snapshots: [...ids], hashes: true, signal })
  const [problem] = problems
  if (problem === undefined) return proofs
  throw new DamageError(problem.code, `Nothing was removed: ${problem.message}`, {
    host: host.name,
    next: `See all that is wrong with: relay-backup verify ${host.name}`,
  })
}

function newestWith(host: string, rule: CleanRule, snapshots: readonly Snapshot[]): Proof {
  for (const snapshot of snapshots.toReversed()) {
    const { manifest, damage, removedFiles, lossAccepted } = snapshot
    const source = manifest.sources.find(({ name }) => name === rule.source)
    if (manifest.purpose !== 'pull' || damage !== undefined || lossAccepted === true) continue
    if (source?.index === undefined || removedFiles.has(source.index.file)) continue
    if (isWhole(source) && !isTorn(source)) return { rule, snapshot, source }
  }
  throw new RelayError('no-snapshot', `No good snapshot of ${host} holds all of ${rule.source}`, {
    host,
    source: rule.source,
    next: `Make one first: relay-backup pull ${host}`,
  })
}

/** Only root sees which files other users' processes have open. */
async function rootOn(place: Visit, dependencies: CleanDependencies): Promise<Visit['privilege']> {
  const { host, probe } = place
  const { privilege, refused } = await choosePrivilege(place, dependencies, () => Promise.resolve(false))
  if (privilege !== undefined || probe.uid === 0) return privilege
  const why = refused === undefined ? '' : `; Docker does not help: ${refused.message}`
  throw new RelayError(
    'root-needed',
    `Only root sees which files are open on ${host.name}, and ${printable(probe.user)} is not root${why}`,
    { host: host.name, next: 'Set `sudo: true` for the host (sudo must not ask for a password).' },
  )
}

async function oldFiles(
  place: Visit,
  { rule, snapshot, source }: Proof,
  dependencies: CleanDependencies,
): Promise<Candidate[]> {
  const configured = place.host.sources.find(({ name }) => name === rule.source)
  if (configured === undefined) return []
  const located = await locateSource(place, configured)
  const roots = normaliseRoots(kindOf(located.kind).paths(located), place.deployment)
  const candidate = candidateOf(rule, roots, place.deployment, dependencies.now())
  const found: Candidate[] = []
  for await (const entry of sourceIndex(snapshot, source, indexParts(dependencies))) {
    const one = candidate(entry)
    if (one !== undefined) found.push(one)
  }
  return found
}

async function goThrough(
  { remote, privilege, signal }: Visit,
  proofs: readonly Proof[],
  old: ReadonlyMap<CleanRule, readonly Candidate[]>,
  look: boolean,
): Promise<CleanedFile[]> {
  const files: CleanedFile[] = []
  for (const { rule } of proofs) {
    for await (const { file, removal } of removeFiles(remote, old.get(rule) ?? [], {
      look,
      privilege,
      signal,
    })) {
      if (removal === undefined) continue
      files.push({ source: rule.source, path: pathToJson(file.member), bytes: file.bytes, ...removal })
    }
  }
  return files
}

async function confirmAll(
  host: string,
  proofs: readonly Proof[],
  files: readonly CleanedFile[],
  { confirm }: CleanDependencies,
): Promise<void> {
  const going = files.filter(({ outcome }) => outcome === 'would')
  if (going.length === 0 || confirm === undefined) return
  const bytes = going.reduce((sum, file) => sum + file.bytes, 0)
  const what = `Remove ${formatCount(going.length, 'old file')} (${formatSize(bytes)}) on ${host}; then only the vault has them, in ${heldIn(proofs).join(' and ')}`
  if (await confirm(what)) return
  throw new InterruptedError('Not confirmed; nothing was changed', { host })
}

/** The snapshots, `HOST/ID`, each once. */
function heldIn(proofs: readonly Proof[]): string[] {
  return [...new Set(proofs.map(({ snapshot }) => `${snapshot.host}/${snapshot.id}`))]
}

function endOf({ files }: CleanReport): Ended {
  const removed = files.filter(({ outcome }) => outcome === 'removed').length
  const failed = files.filter(({ outcome }) => outcome === 'failed').length
  if (failed === 0) return { outcome: 'done' }
  return { outcome: removed > 0 ? 'partial' : 'failed' }
}
