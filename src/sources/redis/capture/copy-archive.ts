import { formatCount } from '../../../model/units.ts'
import type { RecordSorter } from '../../../archive/contract.ts'
import { SourceError } from '../../../errors.ts'
import type { RdbFacts } from '../facts.ts'
import type { CaptureArchive } from '../../contract.ts'
import type { Session } from '../talk/session.ts'
import { nameOf } from '../failures.ts'
import { scanArchive } from './scan-archive.ts'
import type { ClusterPart } from './scan-cluster.ts'
import { streamArchive } from './stream-archive.ts'

export interface Copied {
  readonly facts: RdbFacts
  readonly pointInTime: boolean
  /** Of a node of a cluster, where it tells them. */
  readonly slots?: string | undefined
}

/** How a copy of a Redis is to be made whose files can't be read. */
export interface CopyParts {
  /** What INFO says. */
  readonly info: ReadonlyMap<string, string>
  readonly createSorter: <T>() => RecordSorter<T>
  readonly warn: (code: string, message: string, next?: string, count?: number) => void
  readonly onFinished: (copy: Copied) => void
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
  let cluster: ClusterPart | undefined
  let moved = 0
  return scanArchive(
    session,
    {
      info: parts.info,
      serverVersion: parts.info.get('redis_version'),
      onCluster: (part) => {
        cluster = part
        tellOfCluster(session, part, parts.warn)
      },
      onMoved: () => (moved += 1),
      createSorter: parts.createSorter,
      onFunctionsRefused: (answer) =>
        parts.warn(
          'redis-functions-unread',
          `${nameOf(config)} does not hand out its functions, if it has some: ${answer}`,
          `Give the user what it takes: ACL SETUSER ${config.username ?? 'default'} +function|dump`,
        ),
    },
    (facts) => {
      if (moved > 0)
        parts.warn(
          'redis-keys-moved',
          `${formatCount(moved, 'key')} went to other nodes of the cluster while the keys were read, and ${moved === 1 ? 'is' : 'are'} not in this snapshot`,
          'Pull again when no slots are moved any more, from the node that has them now.',
          moved,
        )
      parts.onFinished({ facts, pointInTime: false, slots: cluster?.slots })
    },
  )
}

/** A node has a part of the keys: whoever reads the snapshot must know which. */
function tellOfCluster({ config }: Session, part: ClusterPart, warn: CopyParts['warn']): void {
  const { slots, moving, refused } = part
  const which =
    slots === undefined
      ? `, and does not tell which slots it serves${refused === undefined ? '' : `: ${refused}`}`
      : slots === ''
        ? ' that serves no slots'
        : `: the snapshot has the keys of slots ${slots} and no others`
  const going = moving.length === 0 ? '' : `; slots ${moving.join(' ')} are being moved`
  warn(
    'redis-cluster-node',
    `${nameOf(config)} is a node of a cluster${which}${going}`,
    slots === undefined
      ? `Let the user of the backup ask: ACL SETUSER ${config.username ?? 'default'} +cluster|nodes. Every other master of the cluster needs a source of its own.`
      : 'Every other master of the cluster needs a source of its own.',
  )
}

/** Redis answered that this user may not, or that there is no such command. */
function isRefusal(error: unknown): error is SourceError {
  return error instanceof SourceError && /^redis-no-(?:permission|command)$/.test(error.code)
}
