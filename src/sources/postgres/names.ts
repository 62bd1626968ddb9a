import { createHash } from 'node:crypto'

/** The longest name of a database, in bytes (NAMEDATALEN). */
const LONGEST = 63
/** What a restore calls the databases that are not in place. */
const ASIDE = /_(?:new|old|failed)_\d{8}T\d{6}Z$/

/** Why a text can't be a name in PostgreSQL; undefined when it can. */
export function nameProblem(name: string): string | undefined {
  return name === '' || /[\u0000-\u001f]/.test(name) || Buffer.byteLength(name) > LONGEST
    ? `must be on one line, and of at most ${LONGEST} bytes`
    : undefined
}

/** What a database is called while it is not in place: a name of its own for each database and restore. */
export function asideName(database: string, what: 'new' | 'old' | 'failed', restore: string): string {
  const name = `${database}_${what}_${restore}`
  if (Buffer.byteLength(name) <= LONGEST) return name
  const short = createHash('sha256').update(database).digest('hex').slice(0, 12)
  return `${short}_${what}_${restore}`
}

/** A restore has put it there, beside the one that is in place. */
export function isAside(database: string): boolean {
  return ASIDE.test(database)
}
