import { nameAside, type Aside } from '../database/aside.ts'

/** The longest name of a database, in characters. */
const LONGEST = 64

/** What a database is called while it is not in place: a name of its own for each database and restore. */
export function asideName(database: string, what: Aside, restore: string): string {
  return nameAside(database, what, restore, (name) => [...name].length <= LONGEST)
}
