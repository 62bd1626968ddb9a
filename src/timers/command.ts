import { RelayError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import type { ScheduleConfig } from '../model/schedule.ts'
import type { TimerPlace } from './contract.ts'

/** The words of what a timer calls. */
export function timerCommand(
  { name }: Pick<ScheduleConfig, 'name'>,
  { program, config }: TimerPlace,
  options: { readonly isExact: boolean; readonly quiet: boolean },
): readonly string[] {
  const words = [
    ...program,
    '--config',
    config,
    ...(options.quiet ? ['--quiet'] : []),
    'schedule',
    'run',
    name,
    ...(options.isExact ? [] : ['--if-due']),
  ]
  requireOneLine([...words])
  return words
}

/** Throws where a path has a line break or another control character: timers are lines of text. */
export function requireOneLine(words: readonly string[]): void {
  const odd = words.find((word) => /[\u0000-\u001f\u007f]/.test(word))
  if (odd === undefined) return
  throw timerError(
    `A timer can't name this path: ${printable(odd)}`,
    'Move it to a place whose path has no line breaks and no other control characters',
  )
}

/** What is to be kept or is kept by the system's timers is not as it must be. */
export function timerError(
  message: string,
  next: string,
  details: { readonly stderr?: string } = {},
): RelayError {
  return new RelayError('timer', message, { next, ...details })
}
