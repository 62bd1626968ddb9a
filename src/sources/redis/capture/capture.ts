import { SourceError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../../../model/config.ts'
import type { Capture, CaptureContext, PullContext } from '../../contract.ts'
import { nameOf } from '../failures.ts'
import { connectRedis } from '../talk/connect.ts'
import { startSettings } from '../talk/container.ts'
import { lookAtDirectory } from '../talk/inspect.ts'
import type { Inspection } from '../talk/inspection.ts'
import { ownFiles } from './own-files.ts'
import { listDirectory } from './pack-directory.ts'
import { prepare } from './prepare.ts'
import { readAccess } from './read-access.ts'
import { RedisCapture, ownDirectory } from './redis-capture.ts'
import type { CapturePlan } from './redis-capture.ts'
import { save, savedFile } from './save.ts'

/**
 * Captures a Redis (docs/design/redis.md). One archive with the directory: the RDB that was just saved,
 * and whatever else lies there but the other persistence form. For `aof` and `both` a second one, `aof`, with the
 * append-only files. Where the files can't be read, one archive with the RDB as a stream.
 */
export async function captureRedis(context: PullContext, config: RedisSourceConfig): Promise<Capture> {
  const prepared = await prepare(context, config, { settle: true })
  const { inspection, state, form, readable, isThere, warnings } = prepared
  const session = { ...prepared.session, createSorter: context.createSorter }
  const plan = { session, inspection, form, warnings }
  if (state === 'stopped') {
    const start = session.container?.start
    const settings = start === undefined ? {} : startSettings(start)
    return new RedisCapture({
      ...plan,
      inspection: { ...inspection, settings },
      way: 'stopped',
      form: config.capture,
    })
  }
  const streamed = (why: string, next: string | undefined): Capture => {
    warnings.warn(
      'redis-stream',
      `${why}: the RDB is taken as a replica gets it, without other files of the directory`,
      next,
    )
    return new RedisCapture({ ...plan, way: 'stream' })
  }
  if (!isThere) {
    const { dir } = inspection.settings
    return streamed(
      `${nameOf(config)} works in ${dir}, not in ${session.location.directory}`,
      `Set \`path\` of this source to ${dir}: that is what a restore replaces.`,
    )
  }
  if (!readable) {
    return streamed(`uid ${inspection.uid} can't read ${session.location.directory}`, readAccess(session))
  }
  if (form === 'aof') return new RedisCapture({ ...plan, way: 'files' })
  try {
    return await saveAndCapture(plan)
  } catch (error) {
    if (!(error instanceof SourceError) || form !== 'rdb') throw error
    const why = whyStreamed(inspection, error)
    if (why === undefined) throw error
    return streamed(`${nameOf(config)} ${why}`, error.details.next)
  }
}

/**
 * Finds out whether it can be captured, and changes nothing on the server; throws as {@link captureRedis} does before it
 * asks for anything.
 */
export async function lookAtRedis(context: CaptureContext, config: RedisSourceConfig): Promise<void> {
  await prepare(context, config, { settle: false })
}

/** Has it save itself, and lists its directory then: the RDB must be a new one. */
async function saveAndCapture(plan: Omit<CapturePlan, 'way'>): Promise<Capture> {
  const { session, inspection, form } = plan
  const name = ownFiles(inspection).rdb
  const before = inspection.directory
  session.context.step('asking Redis to save')
  const connection = await connectRedis(session)
  const lastSave = await save(session, connection, before, name).finally(() =>
    connection[Symbol.asyncDispose](),
  )
  const listed = await listDirectory(session, ownDirectory(session, inspection, 'files', form))
  try {
    const after = listed.states ?? (await lookAtDirectory(session)).states
    const refused = inspection.refused.dbfilename
    const dbfilename = savedFile(session, before.states, after, { name, refused })
    const settings = { ...inspection.settings, dbfilename }
    return new RedisCapture({
      ...plan,
      inspection: { ...inspection, settings },
      way: 'files',
      lastSave,
      listed,
    })
  } catch (error) {
    await listed[Symbol.asyncDispose]()
    throw error
  }
}

/** Why the RDB must be streamed after a save that ended so; undefined when it need not be. */
function whyStreamed({ refused, directory }: Inspection, error: SourceError): string | undefined {
  if (/^redis-no-(?:permission|command)$/.test(error.code)) return 'does not let us save'
  // With CONFIG, `path` is known to be wrong. Without CONFIG, only what the server itself sends is known to be right.
  if (error.code === 'redis-saved-elsewhere' && refused.dir !== undefined)
    return `saved, but nothing changed in ${directory.real}`
  return undefined
}
