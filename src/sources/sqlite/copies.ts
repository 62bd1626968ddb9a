import { randomBytes } from 'node:crypto'
import type { RelayError } from '../../errors.ts'
import { SourceError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import { decodeText, encodeField, fieldLine, fieldsOf } from '../../model/talk.ts'
import type { Lease } from '../../remote/contract.ts'
import type { CaptureContext } from '../contract.ts'
import { pathOf, readAccess } from '../tree/resolve.ts'
import type { Root } from '../tree/roots.ts'
import { realPath } from './find.ts'

/** The exit status of a script that lost its lease (`remote/scripts/lib/lease.sh`). */
const LEASE_LOST = 91

/** Copies of databases on their server. Disposing removes them. */
export interface Copies extends AsyncDisposable {
  /** Absolute; each copy is in `<tree>/<its member>`. */
  readonly tree: string
  /** Bytes of each copy, in the order of the databases. */
  readonly bytes: readonly number[]
  /** Removes them. Throws SourceError when the server had lost us before: nobody held them then. Idempotent. */
  release(): Promise<void>
}

/** No copy can be made there; `reason` says why, for a person. */
export interface NoCopies {
  readonly reason: string
}

/**
 * Copies databases into a private directory of the deployment, each as of one moment, while others write to them. The
 * server removes the copies when we are gone. Throws SourceError for a database that can't be copied.
 */
export async function copyDatabases(
  context: CaptureContext,
  databases: readonly Root[],
  /** What the archive holds empty, since it is in the copies. */
  logs: readonly Root[] = [],
): Promise<Copies | NoCopies> {
  const { host, probe, privilege, signal } = context
  const lease = await host.lease(
    {
      script: 'sources/sqlite/copy',
      patience: 'work',
      args: [probe.deployment ?? '/', randomBytes(6).toString('hex')],
      privilege,
      title: 'copying SQLite databases on the server',
    },
    { signal },
  )
  await using started = new AsyncDisposableStack()
  started.use(lease)
  const placed = await answer(lease, signal)
  if (placed[0] === 'failed') return { reason: noCopy(placed) }
  const bytes: number[] = []
  for (const database of databases) {
    context.step(`copying ${printable(pathOf(database))}`)
    lease.send(recordOf('copy', database, probe.deployment))
    const said = await answer(lease, signal)
    if (said[0] === 'copied') bytes.push(Number(said[1]))
    else if (said[1] === 'space' || said[1] === 'home') return { reason: noCopy(said) }
    else throw failure(context, database, said[1], said[2] ?? '')
  }
  for (const log of logs) {
    lease.send(recordOf('empty', log, probe.deployment))
    const said = await answer(lease, signal)
    if (said[0] !== 'copied') return { reason: noCopy(said) }
  }
  started.move()
  return new LeasedCopies(lease, decodeText(placed[1]), bytes)
}

function recordOf(word: string, root: Root, deployment: string | undefined): string {
  return fieldLine(word, encodeField(root.name), encodeField(realPath(root, deployment)))
}

class LeasedCopies implements Copies {
  readonly #lease: Lease
  readonly tree: string
  readonly bytes: readonly number[]
  #released: Promise<void> | undefined

  constructor(lease: Lease, tree: string, bytes: readonly number[]) {
    this.#lease = lease
    this.tree = tree
    this.bytes = bytes
  }

  release(): Promise<void> {
    this.#released ??= this.#lease.release().then((exit) => {
      if (exit.status === LEASE_LOST) throw cutOff(exit)
    })
    return this.#released
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release().catch(() => {})
    await this.#lease[Symbol.asyncDispose]()
  }
}

/** The fields of what the script says next. */
async function answer(lease: Lease, signal: AbortSignal): Promise<readonly string[]> {
  const line = await lease.nextLine(signal)
  if (line === undefined) throw cutOff(await lease.release())
  return fieldsOf(line)
}

function noCopy([, code, text]: readonly string[]): string {
  switch (code) {
    case 'tool':
      return 'the server has neither sqlite3 nor a python3 with its module sqlite3'
    case 'space':
      return 'there is not enough space on the server for a copy'
    default:
      return `no copy can be made there: ${printable(text ?? '')}`
  }
}

function failure(
  context: CaptureContext,
  database: Root,
  code: string | undefined,
  text: string,
): RelayError {
  const path = printable(pathOf(database))
  switch (code) {
    case 'absent':
      return new SourceError('source-vanished', `${path} vanished while it was read`, {
        next: 'Find out what moved or removed it on the server, then pull again.',
      })
    case 'locked':
      return new SourceError('database-locked', `${path} stays locked by another process`, {
        stderr: text,
        next: 'Find out what holds a transaction open there (fuser, lsof), then pull again.',
      })
    default:
      return new SourceError('database-copy', `${path} can't be copied`, {
        stderr: text,
        next: /unable to open|readonly/.test(text)
          ? readAccess(context)
          : 'See what PRAGMA integrity_check says of it on the server.',
      })
  }
}

function cutOff({ status, stderr }: { readonly status: number; readonly stderr: string }): SourceError {
  return new SourceError('database-copy', 'Copying the databases on the server was cut off', {
    exitStatus: status,
    stderr,
    next: 'Pull again.',
  })
}
