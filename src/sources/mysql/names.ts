import { createHash } from 'node:crypto'

/** The longest name of a database, in characters. */
const LONGEST = 64
/** What a restore calls the databases that are not in place. */
const ASIDE = /_(?:new|old|failed)_\d{8}T\d{6}Z$/

/** What a database is called while it is not in place: a name of its own for each database and restore. */
export function asideName(database: string, what: 'new' | 'old' | 'failed', restore: string): string {
  const name = `${database}_${what}_${restore}`
  if ([...name].length <= LONGEST) return name
  const short = createHash('sha256').update(database).digest('hex').slice(0, 12)
  return `${short}_${what}_${restore}`
}

/** A restore has put it there, beside the one that is in place. */
export function isAside(database: string): boolean {
  return ASIDE.test(database)
}
