import { SourceError } from '../../../errors.ts'
import { formatCount, formatNumber, formatSize } from '../../../model/units.ts'
import { nameOf, refusal, whereItWrites } from '../failures.ts'
import { ReplyError } from '../talk/connection.ts'
import type { RedisConnection } from '../talk/connection.ts'
import { sameFile } from '../talk/file-states.ts'
import type { FileStates } from '../talk/file-states.ts'
import { waitWhile } from './children.ts'
import type { Fields } from './children.ts'
import { nap } from '../talk/nap.ts'
import type { Inspection } from '../talk/inspection.ts'
import type { Session } from '../talk/session.ts'

/** Somebody else's save may always be faster than ours. */
const MOST_ATTEMPTS = 20

/**
 * Has Redis save itself and waits until that ended well; where it saved to is another question ({@link savedFile}). The
 * Unix time of the save in seconds, where the server tells. Throws SourceError with the server's reason.
 */
export async function save(
  session: Session,
  connection: RedisConnection,
  directory: Inspection['directory'],
  name: string,
): Promise<number | undefined> {
  await begin(session, connection, directory, name)
  const fields = await waitWhile(session, connection, saving, (text) => stalled(session, text))
  if (fields.get('rdb_last_bgsave_status') !== 'ok') throw saveFailed(session, directory)
  const time = fields.get('rdb_last_save_time')
  return time === undefined ? undefined : Number(time)
}

/** Redis forks one child at a time, so whatever it does already is waited for. */
async function begin(
  session: Session,
  connection: RedisConnection,
  directory: Inspection['directory'],
  name: string,
): Promise<void> {
  const { config } = session
  for (let attempt = 1; ; attempt += 1) {
    await waitWhile(session, connection, anyChild, (text) => stalled(session, text))
    const size = directory.states.get(name)?.size
    // A save that fails can make Redis refuse writes (stop-writes-on-bgsave-error), so it is not even tried.
    if (size !== undefined && directory.freeBytes !== undefined && size > directory.freeBytes) {
      throw new SourceError(
        'redis-no-space',
        `${nameOf(config)} has no room to save: the last RDB has ${formatSize(size)}, free are ${formatSize(directory.freeBytes)}`,
        { next: 'Make room on the file system of `dir`, then pull again.' },
      )
    }
    const answer = await connection.ask('BGSAVE')
    const text = answer instanceof ReplyError ? answer.message : String(answer)
    if (text.startsWith('Background saving started')) return
    // Somebody else was faster. Theirs may have begun before we looked, so it does not count as ours.
    if (!/already in progress|rewriting in progress|child process is active|scheduled/i.test(text)) {
      throw refusal(config, 'save', text)
    }
    if (attempt >= MOST_ATTEMPTS) throw stalled(session, 'another save was always running')
    await nap(Math.min(50 * attempt, 1000), session.context.signal)
  }
}

/** How far the save is. */
function saving(fields: Fields): string | undefined {
  if (fields.get('rdb_bgsave_in_progress') !== '1') return undefined
  const keys = fields.get('current_save_keys_processed')
  const all = fields.get('current_save_keys_total')
  const isTold = keys !== undefined && all !== undefined && all !== '0'
  return isTold
    ? `Redis is saving: ${formatNumber(Number(keys))} of ${formatCount(Number(all), 'key')}`
    : 'Redis is saving'
}

/** Whatever Redis forks for. */
function anyChild(fields: Fields): string | undefined {
  if (fields.get('rdb_bgsave_in_progress') === '1') return 'waiting for a save that is running'
  if (fields.get('aof_rewrite_in_progress') === '1') return 'waiting for an AOF rewrite that is running'
  return fields.get('module_fork_in_progress') === '1' ? 'waiting for a child of a module' : undefined
}

/**
 * The RDB that was written since `before`: the one of this name; or, where it is only guessed, the one other file of the
 * directory that is new. Throws SourceError when there is none: Redis saved elsewhere.
 */
export function savedFile(
  session: Session,
  before: FileStates,
  after: FileStates,
  { name, refused }: { readonly name: string; readonly refused: string | undefined },
): string {
  const isNew = (file: string): boolean => {
    const state = after.get(file)
    return state !== undefined && !sameFile(state, before.get(file))
  }
  const others = [...after.keys()].filter((file) => !file.startsWith('temp-') && isNew(file))
  const named = others.filter((file) => file.endsWith('.rdb'))
  const guess = named.length > 0 ? named : others
  const file = isNew(name) ? name : refused !== undefined && guess.length === 1 ? guess[0] : undefined
  if (file === undefined) {
    throw new SourceError(
      'redis-saved-elsewhere',
      `${nameOf(session.config)} saved, but not to ${session.location.directory}/${name}`,
      { next: whereItWrites(refused) },
    )
  }
  return file
}

function saveFailed({ config }: Session, { freeBytes }: Inspection['directory']): SourceError {
  return new SourceError(
    'redis-save-failed',
    `${nameOf(config)} could not save: its BGSAVE failed${
      freeBytes === undefined ? '' : ` (free where it writes: ${formatSize(freeBytes)})`
    }`,
    {
      next: "Look into the log of Redis on the server. Most often the disk is full, `dir` is not writable for Redis' user, or there is too little memory to fork (vm.overcommit_memory=1 helps).",
    },
  )
}

function stalled({ config }: Session, text: string): SourceError {
  return new SourceError(
    'redis-save-stalled',
    `The save of ${nameOf(config)} does not come to an end: ${text}`,
    {
      next: 'Look on the server what its child process is doing (redis-cli INFO persistence), then pull again.',
    },
  )
}
