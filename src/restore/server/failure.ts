import { RemoteError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import type { CommandResult, RemoteHost } from '../../remote/contract.ts'

/** The error for a restore script that ended badly, with the reason that it gave on stdout, if any. */
export function scriptFailure(
  host: RemoteHost,
  what: string,
  result: Pick<CommandResult, 'status' | 'stderr'> & { readonly reason?: string },
): RemoteError {
  const reason = result.reason?.trim()
  const said = reason === undefined || reason === '' ? '' : `: ${printable(reason)}`
  return new RemoteError('restore-server', `${what} failed on ${host.name}${said}`, {
    host: host.name,
    command: what,
    exitStatus: result.status,
    stderr: result.stderr,
    next: 'Correct what the server said, then run it again.',
  })
}
