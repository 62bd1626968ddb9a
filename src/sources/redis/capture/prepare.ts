import { SourceError } from '../../../errors.ts'
import type { RedisCaptureForm } from '../facts.ts'
import type { RedisSourceConfig } from '../config.ts'
import type { CaptureContext } from '../../contract.ts'
import { addressOf, nameOf } from '../failures.ts'
import { findHostStart } from '../start/host-start.ts'
import { startSettings } from '../talk/container.ts'
import { checkDirectory, inspect } from '../talk/inspect.ts'
import type { Inspection, Setting } from '../talk/inspection.ts'
import { openSession } from '../talk/session.ts'
import type { Session } from '../talk/session.ts'
import { ownFiles } from './own-files.ts'
import { readAccess } from './read-access.ts'
import { Warnings } from './warnings.ts'

/** What is known of a Redis before anything of it is changed. */
export interface Prepared {
  readonly session: Session
  readonly inspection: Inspection
  readonly state: 'up' | 'stopped'
  readonly form: RedisCaptureForm
  /** Redis works in the source's directory. */
  readonly isThere: boolean
  /** Redis's files can be read, where they are asked for. */
  readonly readable: boolean
  readonly warnings: Warnings
}

/** Throws SourceError when it can't be captured as configured. */
export async function prepare(
  context: CaptureContext,
  config: RedisSourceConfig,
  options: { readonly settle: boolean },
): Promise<Prepared> {
  const session = await openSession(context, config)
  const { inspection: seen, state, settled } = await inspect(session, options)
  const warnings = new Warnings(context)
  if (settled > 0) {
    context.notice({
      code: 'redis-settled',
      message: `A pull that died had left AOF rewrites of ${nameOf(config)} switched off; they are on again`,
    })
  }
  const isThere = state === 'up' || session.container !== undefined ? checkDirectory(session, seen) : true
  if (state === 'stopped') {
    tellOfStopped(session, seen, warnings)
    return { session, inspection: seen, state, form: config.capture, isThere, readable: true, warnings }
  }
  const inspection = await withNames(session, seen)
  tellOfReplica(session, inspection, warnings)
  const form = checkForm(session, inspection, warnings)
  const { directory } = inspection
  const readable = directory.readable && !directory.unreadable.includes(ownFiles(inspection).rdb)
  if (isThere && !readable && form !== 'rdb') throw unreadable(session, inspection)
  return { session, inspection, state, form, isThere, readable, warnings }
}

/** Where CONFIG does not name the files, the server's command line and config file do. */
async function withNames(session: Session, inspection: Inspection): Promise<Inspection> {
  const { info, refused, settings } = inspection
  if (refused.dbfilename === undefined) return inspection
  const names = await startNames(session, info)
  return { ...inspection, settings: { ...names, ...settings } }
}

async function startNames(
  session: Session,
  info: ReadonlyMap<string, string>,
): Promise<Partial<Record<Setting, string>>> {
  const { container } = session
  if (container !== undefined) return container.start === undefined ? {} : startSettings(container.start)
  const configFile = info.get('config_file') || undefined
  const start = await findHostStart(session, { running: true, info, configFile, starter: undefined })
  const told = (name: Setting): [Setting, string][] => {
    const value =
      start.arguments?.directives.get(name) ??
      (typeof start.file === 'string' ? undefined : start.file.get(name))
    return value === undefined ? [] : [[name, value]]
  }
  return Object.fromEntries([...told('dbfilename'), ...told('appenddirname'), ...told('appendfilename')])
}

/** Throws SourceError when another Redis uses the directory, or when the files can't be read. */
function tellOfStopped(session: Session, inspection: Inspection, warnings: Warnings): void {
  const { config, container, location } = session
  const why =
    container === undefined
      ? `Nothing listens at ${addressOf(config)}`
      : container.look === undefined
        ? `There is no container of ${addressOf(config)}`
        : `Container ${container.look.name} does not run`
  const [key] = container === undefined ? ['address'] : addressOf(config).split(' ')
  // A stopped container does not use the directory. Without a container of its own, any other container that runs and
  // sees the directory may be this Redis.
  const [user] = container?.look === undefined ? (container?.usersOf(inspection.directory.real) ?? []) : []
  if (inspection.process !== undefined || user !== undefined) {
    const what =
      user === undefined ? `a Redis (process ${inspection.process}) works in` : `container ${user.name} uses`
    throw new SourceError('redis-elsewhere', `${why}, but ${what} ${location.directory}`, {
      next:
        container === undefined
          ? 'Correct `address` of this source, or name the container of Redis by `service` or `container` instead.'
          : `Correct \`${key}\` of this source, or services.project of this host.`,
    })
  }
  if (!inspection.directory.readable) throw unreadable(session, inspection)
  warnings.warn(
    'redis-stopped',
    `${why}: the files are taken as they lie in ${location.directory}`,
    `If Redis does run, correct \`${key}\` of this source.`,
  )
}

function tellOfReplica({ config }: Session, { info }: Inspection, warnings: Warnings): void {
  if (info.get('role') !== 'slave') return
  const down = info.get('master_link_status') !== 'up'
  warnings.warn(
    down ? 'redis-replica-stale' : 'redis-replica',
    `${nameOf(config)} is a replica of ${info.get('master_host')}:${info.get('master_port')}${
      down ? ', and the link to it is down: what it has may be old' : ''
    }`,
    'Point this source at the master when a backup must have the last write.',
  )
}

/** What is asked for must be there: an AOF that is off can't be captured. */
function checkForm(
  { config }: Session,
  { settings, refused }: Inspection,
  warnings: Warnings,
): RedisCaptureForm {
  if (config.capture === 'rdb' || settings.appendonly !== 'no') return config.capture
  if (config.capture === 'aof') {
    throw new SourceError('redis-aof-off', `${nameOf(config)} has appendonly off`, {
      next: `Set \`capture: rdb\` for this source, or turn it on: ${
        refused.appendonly === undefined
          ? 'redis-cli CONFIG SET appendonly yes'
          : 'appendonly yes in its config file, once its RDB was made an AOF (a start with an empty AOF is empty)'
      }`,
    })
  }
  warnings.warn(
    'redis-aof-off',
    `${nameOf(config)} has appendonly off: only its RDB is captured`,
    'Set `capture: rdb` for this source.',
  )
  return 'rdb'
}

function unreadable(session: Session, inspection: Inspection): SourceError {
  const owner = inspection.directory.owner
  return new SourceError(
    'unreadable',
    `uid ${inspection.uid} can't read ${session.location.directory}${owner === undefined ? '' : ` (its owner is uid ${owner})`}`,
    { next: readAccess(session) },
  )
}
