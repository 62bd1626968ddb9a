import { createHash } from 'node:crypto'

/** What is not in place: what is loaded, what was there before, and what was taken back. */
export type Aside = 'new' | 'old' | 'failed'

/** What a restore calls the databases that are not in place. Some servers write all names in lower case. */
const ASIDE = /_(?:new|old|failed)_\d{8}T\d{6}Z$/i

/**
 * What a database is called while it is not in place: a name of its own for each database and restore.
 *
 * @param fits whether the engine takes a name of this length
 */
export function nameAside(
  database: string,
  what: Aside,
  restore: string,
  fits: (name: string) => boolean,
): string {
  const name = `${database}_${what}_${restore}`
  if (fits(name)) return name
  const short = createHash('sha256').update(database).digest('hex').slice(0, 12)
  return `${short}_${what}_${restore}`
}

/** A restore has put it there, beside the one that is in place. */
export function isAside(database: string): boolean {
  return ASIDE.test(database)
}

/** The restore that loads what is called so. */
export function restoreOf(staged: string): string {
  const found = /_new_(\d{8}T\d{6}Z)/.exec(staged)
  if (found?.[1] === undefined) throw new Error(`${staged} is no name that a restore gives`)
  return found[1]
}
