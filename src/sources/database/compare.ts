import type { Finding } from '../../model/finding.ts'
import { printable } from '../../model/path-bytes.ts'
import { formatCount } from '../../model/units.ts'

/** What was counted in a database. */
export interface Counted {
  readonly tables: number
  readonly rows: number
  /** Hex SHA-256 of the name and number of rows of each table. */
  readonly counts: string
}

const amount = ({ tables, rows }: Counted): string =>
  `${formatCount(rows, 'row')} in ${formatCount(tables, 'table')}`

/** What differs of the amounts; undefined when nothing does. */
export function countDifference(expected: Counted, found: Counted): string | undefined {
  if (found.counts === expected.counts) return undefined
  return amount(found) === amount(expected)
    ? `it has ${amount(found)}, but not the same in each`
    : `it has ${amount(found)}, and not ${amount(expected)}`
}

/** A database that is what was captured. */
export function asCaptured(check: string, name: string, found: Counted): Finding {
  return {
    check,
    outcome: 'ok',
    message: `${printable(name)} has ${amount(found)}, as when it was captured`,
  }
}

/** A database that is not what was captured. `title`: of its server, in a sentence. */
export function notAsCaptured(check: string, name: string, title: string, what: string): Finding {
  return {
    check,
    outcome: 'failed',
    message: `${printable(name)} of ${title} is not what was captured: ${what}`,
    next: 'Somebody may have written to it since it was switched: stop who does (services), and restore again.',
  }
}
