import type { Facts } from '../model/facts.ts'
import type { ManifestSource } from '../model/snapshot.ts'

/**
 * A source that has lost so much since the last complete snapshot, or differs so much from it, that a person should
 * look.
 */
export interface Shrinkage {
  readonly source: string
  readonly code: 'source-gone' | 'source-empty' | 'source-shrank' | 'source-stopped'
  readonly message: string
}

/** Less than this share of what was there before is a loud warning (docs/design/pull.md: smaller by 90 %). */
const REMAINDER = 0.1

/**
 * Sources of the last complete snapshot that are gone, empty, smaller by 90 %, or a Redis that does not answer any more. `now` holds the sources that
 * were captured; a source that failed is not judged (its failure is louder), nor is one that was not asked for.
 */
export function findShrinkage(
  before: readonly ManifestSource[],
  now: readonly ManifestSource[],
  notJudged: ReadonlySet<string>,
): Shrinkage[] {
  return before.flatMap((old): Shrinkage[] => {
    if (notJudged.has(old.name)) return []
    const current = now.find((source) => source.name === old.name)
    if (current === undefined) {
      return [
        { source: old.name, code: 'source-gone', message: 'was in the last complete snapshot and is gone' },
      ]
    }
    if (wasRunning(old.facts) && !wasRunning(current.facts)) {
      // A wrong address looks like a stopped server, and its files may be stale.
      return [
        {
          source: old.name,
          code: 'source-stopped',
          message: 'did not answer, so its files were taken as they lie',
        },
      ]
    }
    const [was, is] = [volume(old.facts), volume(current.facts)]
    if (was.amount > 0 && is.amount === 0) {
      return [
        { source: old.name, code: 'source-empty', message: `had ${was.amount} ${was.unit} and is empty now` },
      ]
    }
    if (was.unit === is.unit && is.amount < was.amount * REMAINDER) {
      const message = `shrank from ${was.amount} to ${is.amount} ${is.unit}`
      return [{ source: old.name, code: 'source-shrank', message }]
    }
    return []
  })
}

function wasRunning(facts: Facts): boolean {
  return facts.kind !== 'redis' || !facts.stopped
}

/** How much a source holds, in the unit that says most. */
function volume(facts: Facts): { readonly amount: number; readonly unit: 'bytes' | 'keys' } {
  switch (facts.kind) {
    case 'files':
      return { amount: facts.bytes, unit: 'bytes' }
    case 'redis': {
      const rdb = facts.rdb ?? facts.aof?.base
      if (rdb === undefined) return { amount: facts.aof?.bytes ?? 0, unit: 'bytes' }
      return { amount: rdb.databases.reduce((sum, database) => sum + database.keys, 0), unit: 'keys' }
    }
  }
}
