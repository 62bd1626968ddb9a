import type { RecordSorter } from '../../archive/contract.ts'
import { SourceError } from '../../errors.ts'
import type { RdbFacts } from '../../model/facts.ts'
import type { CaptureArchive } from '../contract.ts'
import type { Session } from './connection.ts'
import { nameOf } from './failures.ts'
import { scanArchive } from './scan-archive.ts'
import { streamArchive } from './stream-archive.ts'

/** How a copy of a Redis is to be made whose files can't be read. */
export interface CopyParts {
  /** As INFO says it. */
  readonly serverVersion: string | undefined
  readonly createSorter: <T>() => RecordSorter<T>
  readonly warn: (code: string, message: string, next?: string) => void
  readonly onFinished: (copy: { readonly facts: RdbFacts; readonly pointInTime: boolean }) => void
}

/**
 * The RDB that a replica would get; where Redis refuses that (SYNC), one that is put together key by key and is not of one
 * moment. Throws what else stops the first.
 */
export async function copyArchive(session: Session, parts: CopyParts): Promise<CaptureArchive> {
  const { config } = session
  const whole = await streamArchive(session, (facts) => parts.onFinished({ facts, pointInTime: true }))
  if (await whole.begun()) return whole
  const refused = await whole.finish().catch((error: unknown) => error)
  if (!isRefusal(refused)) {
    if (refused !== undefined) throw refused as Error
    return whole
  }
  parts.warn(
    'not-point-in-time',
    `${nameOf(config)} does not let us copy its data by SYNC: its keys are read one by one, each as it is at another moment`,
    refused.details.next,
  )
  return scanArchive(
    session,
    {
      serverVersion: parts.serverVersion,
      createSorter: parts.createSorter,
      onFunctionsRefused: (answer) =>
        parts.warn(
          'redis-functions-unread',
          `${nameOf(config)} does not hand out its functions, if it has some: ${answer}`,
          `Give the user what it takes: ACL SETUSER ${config.username ?? 'default'} +function|dump`,
        ),
    },
    (facts) => parts.onFinished({ facts, pointInTime: false }),
  )
}

/** Redis answered that this user may not, or that there is no such command. */
function isRefusal(error: unknown): error is SourceError {
  return error instanceof SourceError && /^redis-no-(?:permission|command)$/.test(error.code)
}
