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

/** Shown in `--help`. */
export const EXIT_CODE_HELP = `Exit codes: 0 done; 1 nothing that was asked for was done; 2 wrong usage or config;
3 done in part; 4 damage or a difference was found, or a check failed; 5 another run holds the lock; 130 interrupted`

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
