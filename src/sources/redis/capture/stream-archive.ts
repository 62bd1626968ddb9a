import { SourceError } from '../../../errors.ts'
import type { RdbFacts } from '../facts.ts'
import { watchExit } from '../../cut-exit.ts'
import type { CaptureArchive } from '../../contract.ts'
import { rdbStream } from './rdb-stream.ts'
import { parseStreamStatus, streamNonce } from '../../stream-status.ts'
import { stdinOf } from '../talk/session.ts'
import type { Session } from '../talk/session.ts'
import { nameOf, refusal } from '../failures.ts'
import { RdbError } from '../rdb/error.ts'

/**
 * The RDB as Redis sends it to a replica, for when its files can't be read. `redis-cli --rdb` may exit 0 although
 * the transfer broke off, so the RDB's own end and checksum are the proof. `onFinished` gets the facts. `begun` waits for the first byte; false when there
 * is none, and `finish` then says why.
 */
export async function streamArchive(
  session: Session,
  onFinished: (facts: RdbFacts) => void,
): Promise<CaptureArchive & { begun(): Promise<boolean> }> {
  const { context, config } = session
  const nonce = streamNonce()
  const process = await context.host.spawn(
    {
      script: 'sources/redis/stream',
      patience: 'work',
      args: [nonce, ...session.server],
      privilege: context.privilege,
      title: 'redis-cli --rdb on the server',
    },
    { signal: context.signal },
  )
  process.stdin.end(stdinOf(session))
  const { cut, broken, archive } = rdbStream(process.stdout, context)
  const begun = new Promise<boolean>((resolve) => {
    cut.once('readable', () => resolve(cut.readableLength > 0))
    cut.once('close', () => resolve(false))
  })
  let aborted = false
  const exited = watchExit(process, () => aborted)
  const abort = (): void => {
    aborted = true
    process.kill()
    cut.destroy()
  }
  return {
    ...archive,
    begun: () => begun,
    abort,
    finish: async () => {
      if (!cut.readableEnded && !aborted) abort()
      const exit = await exited()
      const status = exit && parseStreamStatus(exit.stderr, nonce)
      const said = (status?.messages ?? exit?.stderr ?? '').trim()
      if (cut.facts !== undefined && status?.statuses.get('redis') === 0) {
        onFinished(cut.facts)
        return
      }
      const answer = /(?:-|: )((?:NOAUTH|WRONGPASS|NOPERM|LOADING|MASTERDOWN|NOMASTERLINK|ERR)\b[^\n]*)/.exec(
        said,
      )?.[1]
      if (answer !== undefined) throw refusal(config, 'copy its data by SYNC', answer)
      const reason = broken()
      if (aborted && reason instanceof RdbError && said === '') throw reason
      if (aborted && status === undefined && said === '') return
      throw new SourceError('redis-transfer', `The transfer from ${nameOf(config)} broke off`, {
        command: 'redis-cli --rdb on the server',
        exitStatus: status?.statuses.get('redis') ?? exit?.status,
        stderr: said,
        ...(reason instanceof Error ? { cause: reason } : {}),
        next: 'Look into the log of Redis on the server (a replica that is too slow is cut off: client-output-buffer-limit), then pull again.',
      })
    },
  }
}
