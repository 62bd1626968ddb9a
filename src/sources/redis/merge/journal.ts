import { RemoteError } from '../../../errors.ts'
import { linesOf } from '../../../model/lines.ts'
import type { RestoreContext } from '../../contract.ts'

/** A key that is added: what of it tells, later, whether it is still the one that was added. */
export interface AddedKey {
  readonly database: number
  readonly key: Buffer
  readonly fingerprint: string
  /** Unix time in ms at which it expires; 0: never. */
  readonly expiresAt: number
}

// A journal is lines, each a word and its fields:
//   add DATABASE KEY FINGERPRINT EXPIRES   before keys are added; KEY in base64
//   as KEY FINGERPRINT                     what the server made of one of them, where that differs
//   not KEY                                one that was there by then, and was not added
//   end                                    what was announced so far is settled

/** Before any of them is added. */
export function announce(keys: readonly AddedKey[]): string {
  return keys
    .map(
      ({ database, key, fingerprint, expiresAt }) =>
        `add ${database} ${key.toString('base64')} ${fingerprint} ${expiresAt}\n`,
    )
    .join('')
}

/** After they were added. */
export function settle(
  changed: readonly { readonly key: Buffer; readonly fingerprint: string }[],
  refused: readonly Buffer[],
): string {
  return [
    ...changed.map(({ key, fingerprint }) => `as ${key.toString('base64')} ${fingerprint}\n`),
    ...refused.map((key) => `not ${key.toString('base64')}\n`),
    'end\n',
  ].join('')
}

/** Appends to the journal on the server; on the disk there when it resolves. */
export async function appendJournal(context: RestoreContext, path: string, text: string): Promise<void> {
  const result = await context.host.run(
    {
      script: 'sources/redis/merge-append',
      patience: 'work',
      args: [path],
      privilege: context.privilege,
      title: 'writing the journal',
    },
    { stdin: Buffer.from(text), signal: context.signal },
  )
  if (result.status !== 0) {
    throw new RemoteError('redis-merge-journal', `The journal ${path} can't be written on the server`, {
      exitStatus: result.status,
      stderr: result.stderr,
      next: 'Make room for it, or its directory writable; what was added by now can be taken back by rollback.',
    })
  }
}

/**
 * The keys of a journal, in groups as they were added. A line that a crash has cut off announced what was never
 * added, and is left out.
 */
export async function* readJournal(
  context: RestoreContext,
  path: string,
): AsyncGenerator<readonly AddedKey[], void, undefined> {
  const process = await context.host.spawn(
    {
      script: 'sources/redis/merge-read',
      patience: 'work',
      args: [path],
      privilege: context.privilege,
      title: 'reading the journal',
    },
    { signal: context.signal },
  )
  process.exit.catch(() => {})
  process.stdin.end()
  const group = new Map<string, AddedKey>()
  const take = (): readonly AddedKey[] => {
    const keys = [...group.values()]
    group.clear()
    return keys
  }
  let whole = false
  try {
    for await (const line of linesOf(process.stdout as AsyncIterable<Buffer>, 'latin1')) {
      if (line === 'end') yield take()
      else readLine(line, group)
    }
    yield take()
    const exit = await process.exit
    if (exit.status !== 0) {
      throw new RemoteError('redis-merge-journal', `The journal ${path} can't be read on the server`, {
        exitStatus: exit.status,
        stderr: exit.stderr,
        next: 'Look into the message above on the server, then try again.',
      })
    }
    whole = true
  } finally {
    if (!whole) process.kill()
  }
}

function readLine(line: string, group: Map<string, AddedKey>): void {
  const [word, first = '', second = '', third = '', fourth = ''] = line.split(' ')
  if (word === 'add') {
    group.set(second, {
      database: Number(first),
      key: Buffer.from(second, 'base64'),
      fingerprint: third,
      expiresAt: Number(fourth),
    })
  }
  const known = word === 'as' ? group.get(first) : undefined
  if (known !== undefined) group.set(first, { ...known, fingerprint: second })
  if (word === 'not') group.delete(first)
}
