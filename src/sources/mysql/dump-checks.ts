import { RelayError, SourceError } from '../../errors.ts'
import type { CaptureContext } from '../contract.ts'
import { recordChecks } from '../checks.ts'
import { askQuery, openMoment, prepareQuery } from './ask-query.ts'
import type { Server } from './server.ts'
import type { Session } from './session.ts'

/**
 * What a user's queries say in the moment that a dump shows. No session can share it: one of ours takes its moment before the
 * dump begins, another one when the dump has taken its own. What both say alike is what the dump has.
 */
export class DumpChecks implements AsyncDisposable {
  readonly #context: CaptureContext
  readonly #queries: readonly string[]
  readonly #open: () => Promise<Session>
  readonly #before: Session | undefined
  #after: Promise<Session> | undefined
  readonly #bad: ReadonlyMap<string, RelayError>
  #hasFailed = false

  private constructor(
    context: CaptureContext,
    queries: readonly string[],
    {
      open,
      before,
      bad,
    }: {
      readonly open: () => Promise<Session>
      readonly before: Session | undefined
      readonly bad: ReadonlyMap<string, RelayError>
    },
  ) {
    this.#context = context
    this.#queries = queries
    this.#open = open
    this.#before = before
    this.#bad = bad
  }

  /** Call it before the dump begins. */
  static async begin(
    context: CaptureContext,
    server: Server,
    database: string,
    queries: readonly string[],
  ): Promise<DumpChecks> {
    const open = (): Promise<Session> => openMoment(server, database, context.signal)
    const bad = new Map<string, RelayError>()
    // One that fails ends its session, and with it the moment.
    for (const query of queries) {
      await using session = await open()
      try {
        await prepareQuery(session, query)
      } catch (error) {
        if (!(error instanceof RelayError) || context.signal.aborted) throw error
        bad.set(query, error)
      }
    }
    const before = queries.length > bad.size ? await open() : undefined
    return new DumpChecks(context, queries, { open, before, bad })
  }

  /** The dump has taken its moment. Call it as often as you like. */
  taken(): void {
    if (this.#before === undefined || this.#after !== undefined) return
    this.#after = this.#open()
    // Whoever asks it is told.
    this.#after.catch(() => {})
  }

  /** Call it when the dump has ended. Throws what ends the capture itself. */
  async record(): ReturnType<typeof recordChecks> {
    this.taken()
    return await recordChecks(this.#context, this.#queries, (query) => this.#ask(query))
  }

  async #ask(query: string): Promise<readonly string[] | undefined> {
    const bad = this.#bad.get(query)
    if (bad !== undefined) throw bad
    if (this.#hasFailed) {
      throw new SourceError('mysql-failed', 'it was not asked, because one before it failed in the middle', {
        next: 'Correct the one before it.',
      })
    }
    try {
      const one = await askQuery(this.#before!, query)
      const other = await askQuery(await this.#after!, query)
      const isSame = JSON.stringify([...one].sort()) === JSON.stringify([...other].sort())
      return isSame ? other : undefined
    } catch (error) {
      this.#hasFailed = true
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#before?.[Symbol.asyncDispose]()
    const after = await this.#after?.catch(() => undefined)
    await after?.[Symbol.asyncDispose]()
  }
}
