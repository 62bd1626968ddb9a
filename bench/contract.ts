import type { Lab } from './lab.ts'

/** A program and its arguments, without a shell. */
export interface Command {
  readonly argv: readonly [string, ...string[]]
  /** On top of the bench's own environment. */
  readonly env?: Readonly<Record<string, string>>
}

/** One run of one command that ended with status 0. */
export interface Sample {
  readonly seconds: number
  /** Largest resident set of any one process of the command. */
  readonly rssBytes: number
  /** User and system time of the command's processes, in seconds. */
  readonly clientCpu: number
  /** The same of everything that ran below sshd; undefined where there are no cgroups to count it by. */
  readonly serverCpu?: number | undefined
  /** Bytes over the SSH connections in both directions; counted only where the scenario says so. */
  readonly wireBytes?: number | undefined
}

/** All samples of one step of one program, in the order they were taken. */
export interface Measurement {
  readonly scenario: string
  /** What was done, `first` or `unchanged`. */
  readonly step: string
  /** Which program did it, `relay-backup` or `restic`. */
  readonly who: string
  readonly samples: readonly Sample[]
}

/** What a scenario may use, and where it leaves its numbers. */
export interface Run {
  readonly lab: Lab
  /** How often each measurement is taken. */
  readonly rounds: number
  /** 1 is the size that the targets are about. */
  readonly scale: number
  readonly signal: AbortSignal
  record(step: string, who: string, sample: Sample): void
  /** A line for whoever watches. */
  say(line: string): void
}

export interface Scenario {
  readonly name: string
  /** One line for `--help`. */
  readonly about: string
  run(run: Run): Promise<void>
}

/** A backup program, set up for one deployment behind one SSH server. */
export interface Contender {
  readonly name: string
  /** Forgets all backups: the next one is the first. Not measured. */
  reset(): Promise<void>
  backup(): Command
  /** Puts the newest backup into a folder that is not there yet. Absent: not compared. */
  restore?(): Promise<Command>
}
