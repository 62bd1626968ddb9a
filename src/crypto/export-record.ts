import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { xdgDirectory } from '../model/home.ts'

/**
 * What this machine knows of a key's copies, by fingerprint. Times are ISO texts. Losing this record costs one warning.
 */
interface ExportRecord {
  readonly exported?: string
  readonly warned?: string
}
type Records = Readonly<Record<string, ExportRecord>>

/** Remembers that a copy of these identities was exported. */
export async function recordExport(
  env: NodeJS.ProcessEnv,
  fingerprints: readonly string[],
  now: Date,
): Promise<void> {
  await update(env, fingerprints, { exported: now.toISOString() })
}

/** Whether a copy was exported on this machine. */
export async function wasExported(env: NodeJS.ProcessEnv, fingerprint: string): Promise<boolean> {
  return (await read(env))[fingerprint]?.exported !== undefined
}

/**
 * A warning when a key has no exported copy yet; undefined when all keys have one, or when the warning was given
 * before. Never throws: when the state directory can't be written, the warning is only given again.
 */
export async function exportWarning(
  env: NodeJS.ProcessEnv,
  fingerprints: readonly string[],
): Promise<string | undefined> {
  const records = await read(env)
  const due = fingerprints.filter((each) => records[each] === undefined)
  if (due.length === 0) return undefined
  // It is told once more the next time.
  await update(env, due, { warned: new Date().toISOString() }).catch(() => {})
  return `No copy of the identity ${due.join(', ')} was exported yet: without it these backups can't be opened`
}

function stateFile(env: NodeJS.ProcessEnv): string {
  const state = xdgDirectory(env, 'XDG_STATE_HOME')
  return join(state, 'relay-backup', 'key-exported.json')
}

async function read(env: NodeJS.ProcessEnv): Promise<Records> {
  try {
    const records: unknown = JSON.parse(await readFile(stateFile(env), 'utf8'))
    return typeof records === 'object' && records !== null ? (records as Records) : {}
  } catch {
    return {}
  }
}

async function update(
  env: NodeJS.ProcessEnv,
  fingerprints: readonly string[],
  change: ExportRecord,
): Promise<void> {
  const records = await read(env)
  const changed = Object.fromEntries(fingerprints.map((each) => [each, { ...records[each], ...change }]))
  const file = stateFile(env)
  await mkdir(join(file, '..'), { recursive: true, mode: 0o700 })
  // Written beside the file and then renamed, so that another run never reads half a file.
  const temporary = `${file}.${randomUUID()}`
  try {
    await writeFile(temporary, `${JSON.stringify({ ...records, ...changed }, null, 2)}\n`, { mode: 0o600 })
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
