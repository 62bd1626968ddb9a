import type { StreamObject } from '../../../archive/contract.ts'
import type { RdbFacts } from '../facts.ts'

/** The databases of an RDB, as its index lists them. */
export function databasesOf(facts: RdbFacts | undefined): StreamObject[] {
  return (facts?.databases ?? []).map(({ database, keys }) => ({
    name: String(database),
    type: 'database',
    rows: keys,
  }))
}
