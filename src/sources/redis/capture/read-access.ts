import type { Session } from '../talk/session.ts'

/** The next step for somebody who can't read the files of Redis's own user. */
export function readAccess(session: Session): string {
  return session.context.privilege
    ? 'Check on the server what keeps root from reading it (a network file system, a container).'
    : 'Set `sudo: true` for this host, or let this user read the directory (usermod -aG redis USER).'
}
