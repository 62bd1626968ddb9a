import { UsageError } from '../errors.ts'
import { SNAPSHOT_ID_PATTERN } from '../model/names.ts'
import { didYouMean } from '../model/nearest.ts'
import { printable } from '../model/path-bytes.ts'
import { completePulls, type Snapshot, type Vault } from './contract.ts'
import { formatCount } from '../model/units.ts'

const LATEST = /^latest(?:~(\d{1,6}))?$/

/** True when an argument can only mean a snapshot: `prod/latest`, `latest~1`, an id. */
export function isSnapshotReference(text: string): boolean {
  return text.includes('/') || LATEST.test(text) || SNAPSHOT_ID_PATTERN.test(text)
}

/**
 * The snapshot that a person means: `prod/20251120T020000Z`, `prod/latest`, `prod/latest~1` (the one before),
 * `prod` (its latest), `prod/20251120` (the only one of that day); without a host when only one of the vault has it. `latest` is the one that was made last,
 * which the ledger knows: a clock that was wrong for a while does not change it. A retired snapshot is found by its id.
 *
 * @throws UsageError with a suggestion when there is no such host or snapshot.
 */
export async function resolveSnapshot(vault: Vault, text: string): Promise<Snapshot> {
  const slash = text.lastIndexOf('/')
  const bare = slash < 0 && isSnapshotReference(text)
  const host = bare
    ? await hostOfBare(vault, text)
    : await (slash < 0 ? resolveHost(vault, text, ['latest']) : resolveHost(vault, text.slice(0, slash)))
  const wanted = slash < 0 && !bare ? 'latest' : text.slice(slash + 1)
  const snapshots = await vault.snapshots(host, { retired: true })
  const back = LATEST.exec(wanted)
  if (back !== null) return nthLatest(host, completePulls(snapshots), Number(back[1] ?? 0))
  const found = snapshots.find(({ id }) => id === wanted)
  if (found !== undefined) return found
  const ids = snapshots.map(({ id }) => id)
  const begun = /^\d{4,}T?\d*$/.test(wanted) ? snapshots.filter(({ id }) => id.startsWith(wanted)) : []
  const [only] = begun
  if (only !== undefined && begun.length === 1) return only
  if (begun.length > 1) {
    throw new UsageError(`${host} has ${formatCount(begun.length, 'snapshot')} that begin with ${wanted}`, {
      host,
      next: `Write more of the id: ${begun.map(({ id }) => id).join(', ')}`,
    })
  }
  throw new UsageError(`${host} has no snapshot ${printable(wanted)}`, {
    host,
    next: `${didYouMean(wanted, [...(completePulls(snapshots).length > 0 ? ['latest'] : []), ...ids])}See those there are with: relay-backup list ${host}`,
  })
}

/** The one host that a name without a host can mean. A host that has only safety snapshots has no `latest`. */
async function hostOfBare(vault: Vault, wanted: string): Promise<string> {
  const having: string[] = []
  for (const host of await vault.hosts()) {
    const snapshots = await vault.snapshots(host, { retired: true })
    const has = LATEST.test(wanted)
      ? completePulls(snapshots).length > 0
      : snapshots.some(({ id }) => id === wanted)
    if (has) having.push(host)
  }
  const [host] = having
  if (host !== undefined && having.length === 1) return host
  return onlyHost(vault)
}

/** A host of the vault by its name. `others` may have been meant, too. @throws UsageError with a suggestion. */
export async function resolveHost(
  vault: Vault,
  name: string,
  others: readonly string[] = [],
): Promise<string> {
  const hosts = await vault.hosts()
  if (hosts.includes(name)) return name
  throw new UsageError(`The vault has no host ${printable(name)}`, {
    next:
      hosts.length === 0
        ? 'The vault is empty; make a first snapshot with: relay-backup pull'
        : `${didYouMean(name, [...hosts, ...others])}Hosts in the vault: ${hosts.join(', ')}`,
  })
}

/** The vault's only host. @throws UsageError when there is none or several. */
export async function onlyHost(vault: Vault): Promise<string> {
  const hosts = await vault.hosts()
  const [host] = hosts
  if (host !== undefined && hosts.length === 1) return host
  if (host === undefined) {
    throw new UsageError('The vault is empty', { next: 'Make a first snapshot with: relay-backup pull' })
  }
  throw new UsageError('The vault has several hosts', { next: `Name one of them: ${hosts.join(', ')}` })
}

function nthLatest(host: string, complete: readonly Snapshot[], back: number): Snapshot {
  const found = complete.at(-1 - back)
  if (found !== undefined) return found
  const count = complete.length === 0 ? 'no complete snapshot' : `only ${complete.length} complete`
  throw new UsageError(`${host} has ${count}`, {
    host,
    next: `See what there is with: relay-backup list ${host}`,
  })
}
