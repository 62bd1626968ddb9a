import { RemoteError, SourceError } from '../../errors.ts'
import type { RedisSourceConfig } from '../../model/config.ts'
import type { RedisFacts } from '../../model/facts.ts'
import type { Finding } from '../../model/finding.ts'
import type { RestoreContext } from '../contract.ts'
import { openSession } from './connection.ts'
import type { Session } from './connection.ts'
import { addressOf } from './failures.ts'
import { listens } from './inspect.ts'
import { parseInspection } from './inspection.ts'
import type { Inspection } from './inspection.ts'
import { parseCommandLine, parseConfig, parseExecStart } from './restore-directives.ts'
import type { Directives, StartArguments } from './restore-directives.ts'
import { parseRecords } from './restore-records.ts'
import type { ScriptRecord } from './restore-records.ts'
import { startOf } from './restore-start.ts'
import type { RedisStart } from './restore-start.ts'
import { versionOfBinary, versionOfInfo } from './restore-version.ts'
import { serverState } from './server-state.ts'

/** The target as it is before a restore. */
export interface RestoreLook {
  readonly session: Session
  readonly inspection: Inspection
  readonly start: RedisStart
}

/** Includes of includes; Redis itself would run out of files. */
const MAX_INCLUDE_DEPTH = 8

/** The session of a restore: nothing is captured, so nothing is compressed and nobody is told. */
export function restoreSession(context: RestoreContext, config: RedisSourceConfig): Promise<Session> {
  return openSession({ ...context, compression: { kind: 'none' }, notice: () => {} }, config)
}

/**
 * Finds out how the target starts. Changes nothing there. Throws SourceError when it can't be asked, RemoteError
 * when a script fails.
 */
export async function lookAtTarget(
  context: RestoreContext,
  config: RedisSourceConfig,
  facts: RedisFacts,
): Promise<RestoreLook> {
  const session = await restoreSession(context, config)
  const inspection = await inspectTarget(session)
  const running = isRunning(inspection, config)
  const { info } = inspection
  const seen = await readStart(session, [
    running ? (info.get('process_id') ?? '') : '',
    running ? (info.get('executable') ?? '') : '',
  ])
  const first = new Map(seen)
  const given = startArguments(first)
  const binaryVersion = versionOfBinary(first.get('binary-version') ?? '')
  const path = first.get('binary')
  const binary =
    path === undefined || binaryVersion === undefined ? undefined : { path, version: binaryVersion }
  const fileName = given === undefined ? info.get('config_file') || undefined : given.file
  const file =
    !running || fileName === undefined ? 'none' : await readConfig(session, fileName, first.has('process'))
  const more = running ? await presentSettings(session) : {}
  const start = startOf(
    {
      running,
      version: running ? versionOfInfo(info) : binaryVersion,
      binary,
      arguments: given,
      file,
      fileName,
      present: { ...inspection.settings, ...more },
      info,
    },
    facts,
  )
  return { session, inspection, start }
}

async function inspectTarget(session: Session): Promise<Inspection> {
  const { context, location } = session
  const result = await context.host.run(
    {
      script: 'redis-inspect',
      args: [...session.server, location.directory],
      privilege: context.privilege,
      title: 'asking Redis on the server',
    },
    { stdin: Buffer.from(`${session.password}\n`), signal: context.signal },
  )
  const inspection = result.status === 0 ? parseInspection(result.stdout) : undefined
  if (inspection === undefined) throw scriptFailed('Looking at Redis on the server', result)
  if (inspection.cli === undefined && (await listens(session))) {
    throw new SourceError(
      'no-redis-cli',
      'The server has no redis-cli, so what is restored could not be checked',
      {
        next: 'Install it there (Debian, Ubuntu: apt-get install redis-tools; Alpine: apk add redis), then restore again.',
      },
    )
  }
  return inspection
}

/** One that still loads does run, and tells all that is asked here. */
function isRunning(inspection: Inspection, config: RedisSourceConfig): boolean {
  // Nothing listens, or there would be no inspection.
  if (inspection.cli === undefined) return false
  try {
    return serverState(inspection, config) === 'up'
  } catch (error) {
    if (error instanceof SourceError && error.code === 'redis-loading') return true
    throw error
  }
}

function startArguments(seen: ReadonlyMap<string, string>): StartArguments | undefined {
  const commandLine = seen.get('command-line')
  const execStart = seen.get('exec-start')
  return (
    (commandLine === undefined ? undefined : parseCommandLine(commandLine)) ??
    (execStart === undefined ? undefined : parseExecStart(execStart))
  )
}

async function readStart(session: Session, args: readonly string[]): Promise<readonly ScriptRecord[]> {
  const { context } = session
  const result = await context.host.run(
    {
      script: 'redis-restore-start',
      args,
      privilege: context.privilege,
      title: 'finding out how Redis starts',
    },
    { signal: context.signal },
  )
  const records = result.status === 0 ? parseRecords(result.stdout) : undefined
  if (records === undefined) throw scriptFailed('Finding out how Redis starts', result)
  return records
}

/** The directives of a config file and all it includes. `visible`: its process is one of the host's own. */
async function readConfig(
  session: Session,
  name: string,
  visible: boolean,
): Promise<Directives | 'unreadable'> {
  const directives = new Map<string, string>()
  const read = async (pattern: string, depth: number): Promise<boolean> => {
    // Relative to where the server was started, which nobody knows.
    if (!pattern.startsWith('/') || depth > MAX_INCLUDE_DEPTH) return false
    const records = await readStart(session, ['', '', pattern])
    for (const [kind, text] of records) {
      if (kind === 'unreadable') return /[*?[]/.test(pattern) && depth > 0
      if (kind !== 'text') continue
      for (const line of parseConfig(text)) {
        if (line.name !== 'include') directives.set(line.name, line.value)
        else if (!(await read(line.value, depth + 1))) return false
      }
    }
    return true
  }
  return visible && (await read(name, 0)) ? directives : 'unreadable'
}

/** Settings that a capture does not ask for. What the server does not tell is left out. */
async function presentSettings(session: Session): Promise<Record<string, string>> {
  const { context } = session
  const result = await context.host.run(
    {
      script: 'redis-restore-settings',
      args: session.server,
      privilege: context.privilege,
      title: 'asking Redis on the server',
    },
    { stdin: Buffer.from(`${session.password}\n`), signal: context.signal },
  )
  const records = result.status === 0 ? parseRecords(result.stdout) : undefined
  if (records === undefined) throw scriptFailed('Asking Redis on the server', result)
  return Object.fromEntries(records)
}

/** The source's path must be the directory that the target's Redis uses. */
export function checkTargetDirectory({ session, inspection, start }: RestoreLook): Finding {
  const { directory } = session.location
  const check = 'redis-directory'
  const wrong = (dir: string): Finding => ({
    check,
    outcome: 'failed',
    message: `Redis at ${addressOf(session.config)} uses ${dir}, not ${directory}`,
    next: `Set \`path\` of this source to ${dir}, or \`address\` to the Redis that uses ${directory}.`,
  })
  if (inspection.directory.type === 'other') {
    return {
      check,
      outcome: 'failed',
      message: `${directory} on the server is not a directory`,
      next: 'Move it away, or set `path` of this source to the data directory of Redis.',
    }
  }
  const { dir } = inspection.settings
  const same = [directory, inspection.directory.real]
  if (start.running && dir === undefined) {
    return {
      check,
      outcome: 'warning',
      message: `Redis at ${addressOf(session.config)} does not tell its settings; ${directory} is believed to be its directory`,
      next: `Let the user of the backup read them: ACL SETUSER ${session.config.username ?? 'default'} +config|get`,
    }
  }
  if (dir !== undefined && !same.includes(dir) && !same.includes(inspection.dirReal ?? dir)) return wrong(dir)
  // As it starts, which may be another one.
  if (start.dir !== undefined && start.dir !== dir && !same.includes(start.dir)) return wrong(start.dir)
  return {
    check,
    outcome: 'ok',
    message: start.running ? `Redis uses ${directory}` : `Redis does not run; ${directory} is written`,
  }
}

/** A script that could not do its work, as an error. */
export function scriptFailed(
  doing: string,
  result: { readonly status: number; readonly stderr: string },
): RemoteError {
  return new RemoteError('redis-restore', `${doing} failed`, {
    exitStatus: result.status,
    stderr: result.stderr,
    next: 'Look into the message above on the server, then restore again.',
  })
}
