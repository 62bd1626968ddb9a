import type { RedisFacts } from './facts.ts'
import type { Finding } from '../../model/finding.ts'
import { formatCount, formatSize } from '../../model/units.ts'

/** What of its memory a Redis may use, and what it does when that is full. */
export interface MemoryLimit {
  /** `maxmemory` in bytes; 0: no limit. */
  readonly bytes: number
  /** `maxmemory-policy`. */
  readonly policy: string
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1000 ** 2,
  mb: 1024 ** 2,
  g: 1000 ** 3,
  gb: 1024 ** 3,
}

/** A size as Redis's config has it (memtoull in src/util.c); undefined when it is none. */
export function parseMemory(text: string): number | undefined {
  const [, number, unit] = /^(\d+)([a-z]*)$/i.exec(text) ?? []
  const factor = UNITS[unit?.toLowerCase() ?? ''] ?? Number.NaN
  return number === undefined || Number.isNaN(factor) ? undefined : Number(number) * factor
}

/** What its data takes of the memory that `maxmemory` limits, from INFO: without buffers of clients and replicas. */
export function dataMemory(info: ReadonlyMap<string, string>): number | undefined {
  const told = (name: string): number => Number(info.get(name) ?? 0) || 0
  const used = told('used_memory')
  // The buffers of replicas share the backlog since 7.0, and count once.
  const besides =
    told('mem_not_counted_for_evict') +
    told('mem_clients_normal') +
    told('mem_clients_slaves') +
    told('mem_replication_backlog')
  return used > besides ? used - besides : undefined
}

/** A server at its limit keeps a little more or less of its data after a start. */
const TOLERANCE = 0.05

/** What the snapshot needs: at least the bytes of its RDB, as far as known what it took in memory. */
function needed(facts: RedisFacts): number {
  return Math.max(facts.memory ?? 0, facts.rdb?.bytes ?? 0, facts.aof?.base?.bytes ?? 0)
}

/** Whether a server that starts with this limit holds the snapshot. Nothing to say when it does. */
export function memoryFindings(facts: RedisFacts, limit: MemoryLimit | undefined): readonly Finding[] {
  const bytes = needed(facts)
  if (limit === undefined || limit.bytes === 0 || bytes <= limit.bytes * (1 - TOLERANCE)) return []
  const isSure = bytes > limit.bytes * (1 + TOLERANCE)
  return [
    {
      check: 'redis-memory',
      outcome: isSure ? 'failed' : 'warning',
      message: `The data take about ${formatSize(bytes)}, and Redis there ${isSure ? 'has' : 'has hardly more:'} maxmemory ${formatSize(limit.bytes)} (${limit.policy}): ${consequence(limit.policy)}`,
      next: `Raise maxmemory in its config to more than ${formatSize(Math.ceil(bytes * (1 + TOLERANCE)))}, start it anew, then restore again.`,
    },
  ]
}

/** Whether what is added fits beside what is there already; a Redis that evicts would give up keys of its own for it. */
export function mergeMemoryFindings(
  facts: RedisFacts,
  limit: MemoryLimit | undefined,
  info: ReadonlyMap<string, string>,
): readonly Finding[] {
  const present = dataMemory(info) ?? 0
  const bytes = needed(facts)
  if (limit === undefined || limit.bytes === 0 || present + bytes <= limit.bytes) return []
  return [
    {
      check: 'redis-memory',
      outcome: evicts(limit.policy) ? 'failed' : 'warning',
      message: `The snapshot takes about ${formatSize(bytes)} beside ${formatSize(present)} that are there, and Redis has maxmemory ${formatSize(limit.bytes)} (${limit.policy}): when all of it is new, ${
        evicts(limit.policy) ? 'Redis gives up keys that it has' : 'it takes no more keys at some point'
      }`,
      next: 'Raise maxmemory for the merge: redis-cli CONFIG SET maxmemory BYTES, or in its config.',
    },
  ]
}

/** What to add where keys are fewer than expected, when Redis has given some up since it was started. */
export function evictionNote(info: ReadonlyMap<string, string>): string | undefined {
  const evicted = Number(info.get('evicted_keys') ?? 0)
  if (!(evicted > 0)) return undefined
  const limit = Number(info.get('maxmemory') ?? 0)
  return `${formatCount(evicted, 'key was', 'keys were')} evicted since it was started (maxmemory ${formatSize(limit)}, ${info.get('maxmemory_policy') ?? 'unknown policy'})`
}

function evicts(policy: string): boolean {
  return policy !== 'noeviction'
}

function consequence(policy: string): string {
  if (!evicts(policy)) return 'it would take no more writes'
  return policy.startsWith('volatile-')
    ? 'it would evict keys with an expiry, and then take no more writes'
    : 'it would evict keys'
}
