import { formatCount } from './model/units.ts'

/**
 * The errors a user can meet. Each says what failed, where, and what to do next; `src/exit-codes.ts` alone
 * turns them into exit codes. Anything else that is thrown is a defect and keeps its stack.
 */

/**
 * Where an expected error happened and what to do about it. Every field is optional, but `next` is nearly always there.
 */
export interface ErrorDetails {
  /** The configured or ad-hoc host name. */
  readonly host?: string | undefined
  readonly source?: string | undefined
  /** What ran on the server, named for a person (`tar on the server`), never with a secret. */
  readonly command?: string | undefined
  readonly exitStatus?: number | undefined
  /** The remote tool's own words, bounded in length. Control characters are escaped when shown. */
  readonly stderr?: string | undefined
  /** The next step: one imperative sentence, often a command to type. */
  readonly next?: string | undefined
  readonly cause?: unknown
}

/** Base of every expected error. `code` is stable and machine-readable (it is in `--json`). */
export class RelayError extends Error {
  readonly code: string
  readonly details: ErrorDetails

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = new.target.name
    this.code = code
    this.details = details
  }

  /** The same error with details filled in where they were missing; the stack is kept. */
  withDetails(details: ErrorDetails): this {
    const known = Object.fromEntries(Object.entries(this.details).filter(([, value]) => value !== undefined))
    Object.assign(this, { details: { ...details, ...known } })
    return this
  }
}

/** The command line or an argument is wrong; nothing was tried. */
export class UsageError extends RelayError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('usage', message, details)
  }
}

/** One problem of the config file. */
export interface ConfigProblem {
  readonly file: string
  /** 1-based; absent when the problem belongs to the file as a whole. */
  readonly line?: number | undefined
  readonly column?: number | undefined
  /** Where in the document: `hosts.prod.sources.logs.kind`. */
  readonly path: string
  readonly message: string
  readonly suggestion?: string | undefined
}

/** The config is wrong; carries all problems at once. Nothing was tried. */
export class ConfigError extends RelayError {
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[], details: ErrorDetails = {}) {
    super(
      'config',
      `The config has ${problems.length === 1 ? 'a problem' : formatCount(problems.length, 'problem')}`,
      {
        next: 'Fix the lines above, then run: relay-backup config check',
        ...details,
      },
    )
    this.problems = problems
  }
}

/** A secret could not be obtained or its file is readable by others. */
export class SecretError extends RelayError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('secret', message, details)
  }
}

/** A key is missing, unusable, expired, locked, or can't be parsed. */
export class KeyError extends RelayError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('key', message, details)
  }
}

/** Another run holds the lock; nothing was tried. */
export class LockedError extends RelayError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('locked', message, details)
  }
}

/** The user or a signal stopped the run. */
export class InterruptedError extends RelayError {
  constructor(message = 'Interrupted', details: ErrorDetails = {}) {
    super('interrupted', message, { next: 'What was there before is untouched; run it again.', ...details })
  }
}

/** Why a run was stopped, as an error: the reason of its signal, where that is an error. */
export function abortedBy(signal: AbortSignal): RelayError {
  return signal.reason instanceof RelayError ? signal.reason : new InterruptedError()
}

/**
 * A defect that was met while one host was handled. It counts as that host's failure, and its cause is what was thrown.
 */
export class InternalError extends RelayError {
  constructor(thrown: unknown) {
    super('internal', thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown), {
      next: 'This is a defect of relay-backup; please report it with what --verbose says',
      cause: thrown,
    })
  }
}

/** The end of a next step that leaves open what else may be wrong. `check` itself says it {@link withoutCheck}. */
export const SEE_CHECK = ' See whether all else is in order with: relay-backup check'

/** A next step without {@link SEE_CHECK}. */
export function withoutCheck(next: string | undefined): string | undefined {
  return next?.replace(SEE_CHECK, '')
}

/** The error itself when it is expected, else an {@link InternalError} with it as the cause. */
export function expected(thrown: unknown): RelayError {
  return thrown instanceof RelayError ? thrown : new InternalError(thrown)
}

/** The reasons a connection can't be had, or is lost. */
export type ConnectionProblem =
  | 'unresolved' // the name has no address
  | 'unreachable' // no route, timeout
  | 'refused' // nothing listens on the port
  | 'auth' // wrong user, key or password
  | 'host-key-unknown'
  | 'host-key-changed'
  | 'host-key-revoked'
  | 'lost' // was connected, then cut or dead for too long
  | 'protocol'
  | 'ssh-config' // ~/.ssh/config is wrong

/** No connection, or the connection was lost. */
export class ConnectionError extends RelayError {
  readonly problem: ConnectionProblem

  constructor(problem: ConnectionProblem, message: string, details: ErrorDetails = {}) {
    super(`connection-${problem}`, message, details)
    this.problem = problem
  }
}

/** A command on the server failed. */
export class RemoteError extends RelayError {
  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(code, message, details)
  }
}

/**
 * The server can't be asked any more: its connection is lost, or is up and says nothing. What happened there since is
 * not known.
 */
export function isOutOfReach(error: unknown): error is RelayError {
  return error instanceof ConnectionError || (error instanceof RemoteError && error.code === 'silent')
}

/** A file system request over SFTP failed; `problem` says how, `message` is the server's. */
export class RemoteFileError extends RelayError {
  readonly problem: 'missing' | 'denied' | 'failed'

  constructor(problem: RemoteFileError['problem'], message: string, details: ErrorDetails = {}) {
    super(`sftp-${problem}`, message, details)
    this.problem = problem
  }
}

/** A source can't be captured or restored as asked (no such path, unreadable, its server refuses, …). */
export class SourceError extends RelayError {
  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(code, message, details)
  }
}

/** The stream or stored data is not what it must be: truncated, malformed, hash differs. */
export class DamageError extends RelayError {
  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(code, message, details)
  }
}

/** The vault can't be read or written (full disk, no permission, unknown format). */
export class VaultError extends RelayError {
  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(code, message, details)
  }
}
