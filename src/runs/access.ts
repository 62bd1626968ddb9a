import { RelayError } from '../errors.ts'
import type { HostProbe } from '../remote/contract.ts'

/** The words for a server that runs nothing for us. */
export const SFTP_ONLY = 'SFTP only: no shell there'

/** Throws RelayError `needs-shell` for an operation that SFTP can't do: `restore`, `rollback`, `migrate`. */
export function requireShell(host: string, probe: HostProbe, operation: string): void {
  if (probe.access === 'shell') return
  throw new RelayError('needs-shell', `${operation} needs a shell on the server: it is SFTP only`, {
    host,
    next: 'Connect as a user who has a shell there. Without a shell, files can be pulled, but nothing can be put back.',
  })
}
