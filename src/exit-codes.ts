import { ConfigError, InterruptedError, LockedError, RelayError, UsageError } from './errors.ts'

/** The exit codes (docs/design.md). The one place that knows them. */
export const ExitCode = {
  done: 0,
  /** Nothing that was asked for was done. */
  failed: 1,
  /** Wrong usage or config; nothing was tried. */
  usage: 2,
  /** Some hosts or sources failed or were locked. */
  partial: 3,
  /** A verification found damage. */
  damage: 4,
  /** Another run holds the lock; nothing was tried, for every host asked. */
  locked: 5,
  interrupted: 130,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/** What each exit code means, in the words of help and manual. */
export const EXIT_CODES: readonly (readonly [ExitCode, string])[] = [
  [ExitCode.done, 'done'],
  [ExitCode.failed, 'nothing that was asked for was done'],
  [ExitCode.usage, 'wrong usage or config'],
  [ExitCode.partial, 'done in part'],
  [ExitCode.damage, 'damage or a difference was found, or a check failed'],
  [ExitCode.locked, 'another run holds the lock'],
  [ExitCode.interrupted, 'interrupted'],
]

/** The exit code of a command that threw. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof InterruptedError) return ExitCode.interrupted
  if (error instanceof UsageError || error instanceof ConfigError) return ExitCode.usage
  if (error instanceof LockedError) return ExitCode.locked
  return ExitCode.failed
}

/** Expected errors are rendered without a stack. */
export function isExpected(error: unknown): error is RelayError {
  return error instanceof RelayError
}
