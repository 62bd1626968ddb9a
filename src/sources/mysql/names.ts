import { nameAside, type Aside } from '../database/aside.ts'

/** The longest name of a database, in characters. */
const LONGEST = 64

/** What keeps a text from being the name of a database; undefined when nothing does. */
export function nameProblem(name: string): string | undefined {
  if (/[\u0000-\u001f]/.test(name) || [...name].length > LONGEST)
    return `must be on one line, and of at most ${LONGEST} characters`
  return name.endsWith(' ') ? 'must not end with a blank' : undefined
}

/** What a database is called while it is not in place: a name of its own for each database and restore. */
export function asideName(database: string, what: Aside, restore: string): string {
  return nameAside(database, what, restore, (name) => [...name].length <= LONGEST)
}
