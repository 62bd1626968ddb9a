import { RemoteError } from '../errors.ts'
import type { CleanOutcome } from '../model/clean-report.ts'
import { encodeField, fieldLine, wholeRecords } from '../model/talk.ts'
import type { RemoteHost } from '../remote/contract.ts'
import type { WorkPlace } from '../runs/visit.ts'
import type { Candidate } from './candidates.ts'

/** What became of a candidate; undefined: it was gone already. */
export type Removal = { readonly outcome: CleanOutcome; readonly reason?: string | undefined } | undefined

/** Files that one script proves before it looks who has them open, so that this look is young when they go. */
const AT_ONCE = 200

/**
 * Has the server prove each file against the snapshot, and remove it then; with `look` it only says what it would remove.
 * Gives what became of them, in their order. Throws RemoteError, and the signal's reason; what was removed by then had been
 * proven.
 *
 * @param files below one root each; those without a hash are left alone
 */
export async function* removeFiles(
  remote: RemoteHost,
  files: readonly Candidate[],
  { look, privilege, signal }: { readonly look: boolean } & Omit<WorkPlace, 'deployment'>,
): AsyncGenerator<{ readonly file: Candidate; readonly removal: Removal }> {
  const title = look ? 'comparing old files with the snapshot' : 'removing old files'
  const proven = files.filter(({ sha256 }) => sha256 !== undefined)
  for (const file of files) {
    if (file.sha256 === undefined) yield { file, removal: { outcome: 'unproven' } }
  }
  for (const batch of batches(proven)) {
    const [first] = batch
    if (first === undefined) continue
    const stdin = batch.map(({ name, bytes, seconds, sha256 = '' }) =>
      fieldLine('file', encodeField(name), String(bytes), String(seconds), sha256),
    )
    const result = await remote.run(
      {
        script: 'clean/remove',
        args: [look ? 'look' : 'remove', first.root],
        patience: 'work',
        privilege,
        title,
      },
      { stdin: Buffer.from(`${stdin.join('\n')}\n`), signal },
    )
    const records = result.status === 0 ? wholeRecords(result.stdout) : undefined
    if (records?.length !== batch.length) {
      throw new RemoteError('script', "The server's answer about its old files is incomplete", {
        host: remote.name,
        command: title,
        exitStatus: result.status,
        stderr: result.stderr,
        next: 'Run it again: what was removed is in the snapshot. With --verbose the log has the details.',
      })
    }
    for (const [at, file] of batch.entries()) yield { file, removal: removalOf(records[at] ?? []) }
  }
}

function removalOf([word = '', reason]: readonly string[]): Removal {
  switch (word) {
    case 'gone':
      return undefined
    case 'removed':
    case 'would':
    case 'changed':
    case 'open':
      return { outcome: word }
    default:
      return { outcome: 'failed', reason: reason ?? word }
  }
}

/** Files of one root each, so many at a time. */
function batches(files: readonly Candidate[]): Candidate[][] {
  const byRoot = Map.groupBy(files, ({ root }) => root)
  return [...byRoot.values()].flatMap((some) =>
    Array.from({ length: Math.ceil(some.length / AT_ONCE) }, (_, at) =>
      some.slice(at * AT_ONCE, (at + 1) * AT_ONCE),
    ),
  )
}
