/**
 * Tables in an order in which rows can be added: parents before children, as far as that goes. Of a circle some come before
 * what they refer to.
 *
 * @param parentsOf what the foreign keys of a table lead to
 */
export function parentsFirst<T>(tables: readonly T[], parentsOf: (table: T) => readonly T[]): readonly T[] {
  const ordered: T[] = []
  const seen = new Set<T>()
  const visit = (table: T): void => {
    if (seen.has(table)) return
    seen.add(table)
    for (const parent of parentsOf(table)) visit(parent)
    ordered.push(table)
  }
  for (const table of tables) visit(table)
  return ordered
}
