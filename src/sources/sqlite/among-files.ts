import { ConnectionError, RelayError } from '../../errors.ts'
import type { CaptureContext } from '../contract.ts'
import type { Root } from '../tree/roots.ts'
import { copyDatabases, type Copies } from './copies.ts'
import { databasesAmong } from './find.ts'

/** Copies of databases that lie among other files. Dispose it. */
export interface CopiesAmongFiles {
  readonly copies: Copies
  /** Those of the databases that were copied. */
  readonly databases: readonly Root[]
}

/**
 * Copies databases among the files of a source as {@link copyDatabases} does, each with its logs (`logsOf`) as empty files.
 * Undefined where that can't be done: then they are to be read as files.
 */
export async function copyAmongFiles(
  context: CaptureContext,
  files: readonly Root[],
  logsOf: (database: Root) => readonly Root[],
): Promise<CopiesAmongFiles | undefined> {
  try {
    const { tool, databases } = await databasesAmong(context, files)
    if (tool === undefined || databases.length === 0) return undefined
    const copies = await copyDatabases(context, databases, databases.flatMap(logsOf))
    return 'reason' in copies ? undefined : { copies, databases }
  } catch (error) {
    // What keeps a database from being copied need not keep it from being read.
    if (!(error instanceof RelayError) || error instanceof ConnectionError || context.signal.aborted)
      throw error
    return undefined
  }
}
