import type { ScheduleConfig } from '../model/schedule.ts'

/** What a timer calls, and with what around it. All paths are absolute. */
export interface TimerPlace {
  /** Node and the program; of the single file, the program alone. */
  readonly program: readonly string[]
  readonly config: string
  /** Variables that a timer has none of by itself. No secret is among them. */
  readonly env: Readonly<Record<string, string>>
}

/** A timer's text, whole: of systemd a service and a timer, of the others one file or one entry. */
export type TimerText = readonly string[]

/** A timer of ours that the system has. */
export interface InstalledTimer {
  /** The schedule's name. */
  readonly name: string
  readonly text: TimerText
  /** Undefined where somebody has taken it out of the text. */
  readonly place: TimerPlace | undefined
  /** Somebody has changed the text since it was written. */
  readonly isEdited: boolean
  /** Why it does not fire although it is there. */
  readonly problem?: string | undefined
  /** Somebody's additions, which stay: drop-ins of systemd. */
  readonly additions?: readonly string[] | undefined
}

/** What is to be there, and what is not. */
export interface TimerChange {
  readonly put: readonly { readonly name: string; readonly text: TimerText }[]
  readonly remove: readonly string[]
}

/** A program of the system that starts others by the clock. It knows the timers of one config; others stay. */
export interface TimerKeeper {
  /** As a person calls it: `systemd`, `cron`. */
  readonly name: string
  /** Where the timer of a schedule is, for a person. */
  where(schedule: string): string
  /** The text of a timer. Throws RelayError `timer` for what this keeper can't say. */
  render(schedule: ScheduleConfig, place: TimerPlace): TimerText
  /** Whether two texts make the same timer: where the keeper keeps texts its own way, they may differ in more. */
  same(one: TimerText, other: TimerText): boolean
  /** The timers of the config; none where the keeper is not there. Throws RelayError `timer` where the keeper does not answer or its text is torn. */
  list(signal: AbortSignal): Promise<readonly InstalledTimer[]>
  /**
   * Makes it so: puts first and removes last, reads back what the keeper has and compares. Throws RelayError `timer`
   * when it is not so.
   */
  apply(change: TimerChange, signal: AbortSignal): Promise<void>
  /** What a person must do so that the timers fire while nobody is logged in. */
  advice(signal: AbortSignal): Promise<readonly string[]>
}

/** Texts that must be the same to the byte. */
export const sameText = (one: TimerText, other: TimerText): boolean =>
  one.length === other.length && one.every((text, at) => text === other[at])

/** How a program of the system ended. */
export interface ProgramResult {
  /** Undefined: there is no such program. */
  readonly status: number | undefined
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program of this system to its end. */
export type RunProgram = (
  program: string,
  args: readonly string[],
  options: { readonly signal: AbortSignal; readonly input?: string | undefined },
) => Promise<ProgramResult>
