import type { IndexEntry } from '../archive/contract.ts'
import type { CleanRule } from '../model/config.ts'
import { isOurs, PathFilter, type FilterRoot } from '../model/path-filter.ts'
import { pathFromJson } from '../model/path-bytes.ts'

/** A file of a snapshot that a rule matches and that is old enough. */
export interface Candidate {
  /** Where it lies on the server: a path of the source, absolute. */
  readonly root: string
  /** Relative to the root. */
  readonly name: Buffer
  /** As the snapshot names it. */
  readonly member: Buffer
  readonly bytes: number
  /** When it was modified, in whole seconds since the epoch. */
  readonly seconds: number
  /** Of its content, hex; undefined where the snapshot has the file in several parts. */
  readonly sha256: string | undefined
}

/**
 * Chooses the files of a snapshot that a rule is about: modified longer ago than it says, and matched by its patterns below
 * a path of the source as the source is configured.
 *
 * @param deployment absolute
 */
export function candidateOf(
  { match, olderThan }: CleanRule,
  roots: readonly FilterRoot[],
  deployment: string,
  now: Date,
): (entry: IndexEntry) => Candidate | undefined {
  const oldest = BigInt(now.getTime() - olderThan) * 1_000_000n
  const filter = new PathFilter(match, roots, deployment)
  return (entry) => {
    if (entry.type !== 'file' || BigInt(entry.mtimeNs) > oldest) return undefined
    const member = pathFromJson(entry.path)
    const name = member.toString('latin1')
    const root = roots.find((one) => name.startsWith(`${Buffer.from(one.name).toString('latin1')}/`))
    if (root === undefined || isOurs(name) || !filter.excludes(name, false)) return undefined
    return {
      root: root.base === 'root' ? `/${root.name}` : `${deployment}/${root.name}`,
      name: member.subarray(Buffer.byteLength(root.name) + 1),
      member,
      bytes: entry.size,
      seconds: Number(floorSeconds(BigInt(entry.mtimeNs))),
      sha256: entry.sha256,
    }
  }
}

/** As `stat` has it: before the epoch, too, downwards. */
function floorSeconds(ns: bigint): bigint {
  const seconds = ns / 1_000_000_000n
  return ns % 1_000_000_000n < 0n ? seconds - 1n : seconds
}
