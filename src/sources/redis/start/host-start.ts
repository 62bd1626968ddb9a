import { RemoteError } from '../../../errors.ts'
import { versionOfBinary } from '../../../model/redis-version.ts'
import type { RestoreContext } from '../../contract.ts'
import { readConfigFiles } from './config-files.ts'
import type { ConfigFile } from './config-files.ts'
import type { Session } from '../talk/session.ts'
import { parseShellCommand } from '../talk/container-command.ts'
import { parseCommandLine, parseExecStart, roomForOptions } from './directives.ts'
import type { Directives, StartArguments } from './directives.ts'
import { parseRecords } from '../talk/records.ts'
import type { ScriptRecord } from '../talk/records.ts'
import type { StartEvidence } from './next-start.ts'

/** `version`: of the server that would start. */
export type StartFound = Pick<
  StartEvidence,
  'version' | 'binary' | 'arguments' | 'room' | 'file' | 'fileName' | 'fileChanged'
>

/** The start as the process, its unit and its config file tell it. */
export async function findHostStart(
  session: Session,
  {
    running,
    info,
    configFile,
    starter,
  }: {
    readonly running: boolean
    readonly info: ReadonlyMap<string, string>
    readonly configFile: string | undefined
    readonly starter: RestoreContext['starter']
  },
): Promise<StartFound> {
  const told = (name: string): string => (running ? (info.get(name) ?? '') : '')
  const units = starter !== undefined && 'units' in starter ? starter.units : []
  const seen = await readStart(session, [
    ...[told('process_id'), told('executable')],
    units.map((unit) => `${unit} `).join(''),
  ])
  const first = new Map(seen)
  const read = async (name: string | undefined): Promise<ConfigFile | 'none' | 'unreadable'> => {
    if (name === undefined) return 'none'
    // A process that is not the host's own may have a file of the same name elsewhere.
    if (running && !first.has('process')) return 'unreadable'
    return readConfigFiles(name, (pattern) => readStart(session, ['', '', '', pattern]))
  }
  const binary = hostBinary(first)
  for (const { given, isOwn } of starts(seen, starter)) {
    const fileName = given.file?.startsWith('/') === false && running ? configFile : given.file
    const file = await read(fileName)
    const directives = typeof file === 'string' ? undefined : file.directives
    if (!isOwn && !isOurs(session, given, directives)) continue
    return {
      ...{ version: binary?.version, binary, arguments: given, fileName },
      file: directives ?? (file as 'none' | 'unreadable'),
    }
  }
  const file = await read(running ? configFile : undefined)
  const since = startedAt(first)
  return {
    ...{ version: binary?.version, binary, fileName: configFile },
    room: first.has('command-line') ? roomForOptions(first.get('command-line') ?? '', configFile) : undefined,
    file: typeof file === 'string' ? file : file.directives,
    fileChanged: typeof file === 'string' ? undefined : changedSince(file.changed, since),
  }
}

/** What is known to start it, the surest first: what the config names, then its own command line and unit. */
function starts(
  seen: readonly ScriptRecord[],
  starter: RestoreContext['starter'],
): readonly { readonly given: StartArguments; readonly isOwn: boolean }[] {
  const named =
    starter === undefined
      ? []
      : 'line' in starter
        ? [parseShellCommand(starter.line)]
        : seen.flatMap(([name, text]) => (name === 'unit-exec-start' ? [parseExecStart(text)] : []))
  const own = seen.flatMap(([name, text]) =>
    name === 'command-line' ? [parseCommandLine(text)] : name === 'exec-start' ? [parseExecStart(text)] : [],
  )
  const all = [
    ...named.map((given) => ({ given, isOwn: false })),
    ...own.map((given) => ({ given, isOwn: true })),
  ]
  return all.flatMap(({ given, isOwn }) => (given === undefined ? [] : [{ given, isOwn }]))
}

/**
 * Whether a start belongs to the Redis of this source and not to another one of the host: it must listen where the
 * source looks.
 */
function isOurs({ config }: Session, given: StartArguments, file: Directives | undefined): boolean {
  const told = (name: string): string | undefined => given.directives.get(name) ?? file?.get(name)
  if ('socket' in config.at) return told('unixsocket') === config.at.socket
  if (!('address' in config.at)) return false
  const { port } = config.at
  return [told('port') ?? '6379', told('tls-port')].includes(String(port))
}

/** When the process was started, in s since the epoch; undefined when that can't be told. */
function startedAt(seen: ReadonlyMap<string, string>): number | undefined {
  const told = (name: string): number => Number.parseFloat(seen.get(name) ?? '')
  const started = told('clock') - told('uptime') + told('ticks') / told('ticks-per-second')
  return Number.isFinite(started) ? started : undefined
}

/** Whether the file was changed since. Some tools tell whole seconds; otherwise both times are known to about 10 ms. */
function changedSince(changed: number | undefined, since: number | undefined): boolean | undefined {
  if (changed === undefined || since === undefined) return undefined
  return changed + (Number.isInteger(changed) ? 1 : 0) >= since
}

/** A redis-server on the host itself. */
export function hostBinary(seen: ReadonlyMap<string, string>): StartEvidence['binary'] {
  const version = versionOfBinary(seen.get('binary-version') ?? '')
  const path = seen.get('binary')
  return path === undefined || version === undefined ? undefined : { path, version }
}

/** What `sources/redis/restore-start` finds. Throws RemoteError when it fails. */
export async function readStart(session: Session, args: readonly string[]): Promise<readonly ScriptRecord[]> {
  const { context } = session
  const result = await context.host.run(
    {
      script: 'sources/redis/restore-start',
      patience: 'list',
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
