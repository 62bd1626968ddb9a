import type { CaptureContext } from '../contract.ts'
import type { Root } from '../tree/roots.ts'
import type { Databases } from './databases.ts'
import { fileStates } from './file-states.ts'

/** Databases that did not hold still. Names are members', in latin1. */
export interface MovedDatabases {
  readonly names: readonly string[]
  /** What they are made of now. */
  readonly files: readonly string[]
  /** What they were made of besides when they were read. */
  readonly gone: readonly string[]
}

/** Databases that were written to since they were read, and the files they are made of now. */
export async function movedDatabases(
  context: CaptureContext,
  roots: readonly Root[],
  of: {
    readonly databases: Databases
    readonly names: readonly string[]
    readonly changed: readonly string[]
  },
): Promise<MovedDatabases> {
  const { databases, names, changed } = of
  if (names.length === 0) return { names: [], files: [], gone: [] }
  const parts = names.flatMap((name) => databases.partsOf(name))
  const states = await fileStates(context, roots, parts)
  const during = new Set(changed)
  // A database that is gone altogether was read before that, and can't be read again.
  const isThere = (name: string): boolean => databases.partsOf(name).some((part) => states.states.has(part))
  const moved = names.filter((name) => isThere(name) && databases.hasMoved(name, states, during))
  return {
    names: moved,
    files: moved.flatMap((name) => databases.partsOf(name)).filter((part) => states.states.has(part)),
    gone: moved.flatMap((name) => databases.goneParts(name, states)),
  }
}
