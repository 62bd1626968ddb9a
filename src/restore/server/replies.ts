import { RemoteError } from '../../errors.ts'
import { fieldsOf } from '../../model/talk.ts'
import { printable } from '../../model/path-bytes.ts'
import type { Lease } from '../../remote/contract.ts'

/** The answer of a leased restore script to one command. */
export interface Reply {
  readonly outcome: 'ok' | 'failed'
  /** What follows the command's name: `rolled-back`, or the reason of a failure. */
  readonly text: string
  /** What happened meanwhile, in order. */
  readonly notes: readonly string[]
  /** Fields of the `user` lines. */
  readonly users: readonly (readonly string[])[]
}

/**
 * Reads up to the answer to a command. Undefined when the script ended without one. An answer to something else
 * is a defect of the script, and throws RemoteError.
 */
export async function nextReply(
  lease: Lease,
  command: string,
  signal: AbortSignal,
): Promise<Reply | undefined> {
  const notes: string[] = []
  const users: (readonly string[])[] = []
  for (;;) {
    const line = await lease.nextLine(signal)
    if (line === undefined) return undefined
    const [verb, ...fields] = fieldsOf(line)
    if (verb === 'note') notes.push(fields.join(' '))
    else if (verb === 'user') users.push(fields)
    else if ((verb === 'ok' || verb === 'failed') && fields[0] === command) {
      return { outcome: verb, text: fields.slice(1).join(' '), notes, users }
    } else {
      throw new RemoteError('restore-protocol', `The server answered to "${command}": ${printable(line)}`, {
        next: 'See what is left there by `relay-backup rollback --host HOST`, and report this as a defect.',
      })
    }
  }
}
