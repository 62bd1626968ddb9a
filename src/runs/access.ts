import { RelayError } from '../errors.ts'
import type { HostProbe } from '../remote/contract.ts'

/** What a person is told of a server that runs nothing for us. */
export const SFTP_ONLY = 'SFTP only: no shell there'

/** Throws RelayError `needs-shell` for what can't be done over SFTP: `restore`, `rollback`, `migrate`. */
export function requireShell(host: string, probe: HostProbe, operation: string): void {
  if (probe.access === 'shell') return
  throw new RelayError('needs-shell', `${operation} needs a shell on the server: it is SFTP only`, {
    host,
    next: 'Connect as a user who has a shell there. Without one, files can be pulled and nothing be put back.',
  })
}
