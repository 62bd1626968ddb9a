import type { SourceError } from '../../../errors.ts'
import { accepted } from '../talk/connect.ts'
import type { RedisConnection } from '../talk/connection.ts'
import { parseInfo } from '../talk/inspection.ts'
import { nap } from '../talk/nap.ts'
import type { Session } from '../talk/session.ts'

/** A child of Redis that moves nothing for so long is given up, in ms. */
const STALL = 600_000

/** Fields of INFO. */
export type Fields = ReadonlyMap<string, string>

/** What Redis says of its children. Throws SourceError when it does not. */
async function persistence({ config }: Session, connection: RedisConnection): Promise<Fields> {
  return parseInfo(String(accepted(await connection.ask('INFO', 'persistence'), config, 'save')))
}

/**
 * Waits as long as something runs, which `running` tells in words for a person, and says what Redis tells then. Throws
 * what `stalled` makes of the reason when nothing has moved for too long.
 */
export async function waitWhile(
  session: Session,
  connection: RedisConnection,
  running: (fields: Fields) => string | undefined,
  stalled: (text: string) => SourceError,
): Promise<Fields> {
  const pause = new Pause(session, stalled)
  for (;;) {
    const fields = await persistence(session, connection)
    const what = running(fields)
    if (what === undefined) return fields
    session.context.step(what)
    await pause.after(fields)
  }
}

/** Waits between two looks: shortly at first, for a small data set is saved at once. */
class Pause {
  readonly #session: Session
  readonly #stalled: (text: string) => SourceError
  #looks = 0
  #last = ''
  #moved = performance.now()

  constructor(session: Session, stalled: (text: string) => SourceError) {
    this.#session = session
    this.#stalled = stalled
  }

  /** Throws what `stalled` makes when nothing has moved for too long. */
  async after(fields: Fields): Promise<void> {
    const moving = [...fields].filter(([name]) => /^(?:current_|rdb_saves)/.test(name))
    const now = moving.join()
    // Before Redis 7 there is nothing in it that moves.
    if (now !== this.#last || !fields.has('current_save_keys_processed')) {
      this.#last = now
      this.#moved = performance.now()
    }
    if (performance.now() - this.#moved >= STALL) {
      throw this.#stalled(`no progress for ${STALL / 1000} seconds`)
    }
    this.#looks += 1
    const ms = this.#looks <= 6 ? 50 : this.#looks <= 20 ? 100 : 1000
    await nap(ms, this.#session.context.signal)
  }
}
