import { parseConfig } from './directives.ts'
import type { Directives } from './directives.ts'
import type { ScriptRecord } from '../talk/records.ts'

/** Includes of includes; Redis itself would run out of files. */
const MAX_INCLUDE_DEPTH = 8

/** What a config file and all it includes say. */
export interface ConfigFile {
  /** The last one of each counts. */
  readonly directives: Directives
  /** When one of the files was last changed, in s since the epoch; undefined when that can't be told. */
  readonly changed?: number | undefined
}

/**
 * Reads config files by name or wildcard: records `file`, `changed` (where known) and `text` for each, or `unreadable`.
 * Undefined when it can't look for such a name.
 */
export type ReadFiles = (pattern: string) => Promise<readonly ScriptRecord[] | undefined>

/** Reads a config file and all it includes. */
export async function readConfigFiles(
  name: string,
  readFiles: ReadFiles,
): Promise<ConfigFile | 'unreadable'> {
  const directives = new Map<string, string>()
  let changed: number | undefined
  const read = async (pattern: string, depth: number): Promise<boolean> => {
    // Relative to where the server was started, which nobody knows.
    if (!pattern.startsWith('/') || depth > MAX_INCLUDE_DEPTH) return false
    const records = await readFiles(pattern)
    if (records === undefined) return false
    for (const [kind, text] of records) {
      if (kind === 'unreadable') return isWildcard(pattern) && depth > 0
      if (kind === 'changed') changed = Math.max(changed ?? 0, Number.parseFloat(text))
      if (kind !== 'text') continue
      for (const line of parseConfig(text)) {
        if (line.name !== 'include') directives.set(line.name, line.value)
        else if (!(await read(line.value, depth + 1))) return false
      }
    }
    return true
  }
  return (await read(name, 0)) ? { directives, changed } : 'unreadable'
}

export function isWildcard(pattern: string): boolean {
  return /[*?[]/.test(pattern)
}
