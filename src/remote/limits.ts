import { RemoteError } from '../errors.ts'
import { formatDuration } from '../model/units.ts'
import type { Patience, RemoteCommand } from './contract.ts'

/** How long a server that answers keep-alives may leave us waiting, in ms: its disk or a service may hang. */
export interface Limits {
  /** Until a session is opened and has taken the command; the same for a TCP connection from the server. */
  readonly accept: number
  /** Without a byte in either direction, by what the step is. */
  readonly silence: Readonly<Record<Patience, number>>
  /** From the end of the output until the exit status. */
  readonly end: number
  /** Until the server closes a session that we have closed. */
  readonly close: number
  /** From the release of a lease until its script has ended, by what it has to undo. */
  readonly release: Readonly<Record<'quick' | 'services', number>>
  /** The same after an abort: a person waits, and the script ends by itself. */
  readonly releaseAfterAbort: Readonly<Record<'quick' | 'services', number>>
  /** Until one of the sessions that we have open is free for the next. */
  readonly turn: number
}

const SECOND = 1000
const MINUTE = 60 * SECOND

export const LIMITS: Limits = {
  accept: 30 * SECOND,
  silence: {
    ask: MINUTE,
    list: 2 * MINUTE,
    stream: 5 * MINUTE,
    work: 30 * MINUTE,
    services: 60 * MINUTE,
  },
  end: 30 * SECOND,
  close: 2 * SECOND,
  release: { quick: 30 * SECOND, services: 10 * MINUTE },
  releaseAfterAbort: { quick: 3 * SECOND, services: 60 * SECOND },
  turn: 10 * MINUTE,
}

/** Bytes that a script may say in all, on each of stdout (where it is kept) and stderr. */
export const OUTPUT_LIMIT = 64 * 1024 * 1024

/** The error for a server that is alive and says nothing more. */
export function silentError(host: string, command: RemoteCommand | undefined, ms: number): RemoteError {
  const during = command === undefined ? '' : ` during ${command.title ?? command.script}`
  return new RemoteError(
    'silent',
    `The server has said nothing for ${formatDuration(ms)}${during}, though the connection is up`,
    {
      host,
      next: 'Look on the server for a disk or a service that hangs (dmesg, df, uptime), then run the command again',
    },
  )
}

/** The error for a server that says more than any answer can hold. */
export function tooLongError(host: string, command: RemoteCommand): RemoteError {
  return new RemoteError('output-too-long', 'A command on the server said more than 64 MiB', {
    host,
    command: command.title ?? command.script,
    next: 'Something else than our script answers there: look at what the login shell of this user runs',
  })
}
