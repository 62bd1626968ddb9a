import { nameAside, type Aside } from '../database/aside.ts'

/** The longest name of a database, in bytes (NAMEDATALEN). */
const LONGEST = 63

/** Why a text can't be a name in PostgreSQL; undefined when it can. */
export function nameProblem(name: string): string | undefined {
  return name === '' || /[\u0000-\u001f]/.test(name) || Buffer.byteLength(name) > LONGEST
    ? `must be on one line, and of at most ${LONGEST} bytes`
    : undefined
}

/** What a database is called while it is not in place: a name of its own for each database and restore. */
export function asideName(database: string, what: Aside, restore: string): string {
  return nameAside(database, what, restore, (name) => Buffer.byteLength(name) <= LONGEST)
}
