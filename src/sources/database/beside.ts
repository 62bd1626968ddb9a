import type { Finding } from '../../model/finding.ts'
import { printable } from '../../model/path-bytes.ts'
import { formatCount } from '../../model/units.ts'

/** Databases of a snapshot, by what each is called where it is restored: `beside` is the name of the one that goes beside what is live. */
export function goals<T>(
  databases: Readonly<Record<string, T>>,
  beside: string | undefined,
): readonly { readonly live: string; readonly target: string; readonly facts: T }[] {
  return Object.entries(databases).map(([live, facts]) => ({ live, target: beside ?? live, facts }))
}

/** Two databases can't have one name. */
export function singleBeside(names: readonly string[], beside: string | undefined): Finding[] {
  if (beside === undefined || names.length === 1) return []
  return [
    {
      check: 'target-single',
      outcome: 'failed',
      message: `the source has ${formatCount(names.length, 'database')}, and only one can be ${printable(beside)}`,
      next: 'Pull it as a source of its own: databases: [NAME].',
    },
  ]
}
