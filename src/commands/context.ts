import { loadConfig } from '../config/load.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Config } from '../model/config.ts'
import type { RunCause } from '../model/run-record.ts'

/** The global flags of every command. */
export interface GlobalOptions {
  readonly config?: string | undefined
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  readonly color: boolean
}

/** Where progress goes (stderr) and in which form. */
export interface ProgressOutput {
  readonly mode: 'tty' | 'plain' | 'json' | 'quiet'
  readonly stream: NodeJS.WriteStream
  readonly verbose: boolean
  readonly color: boolean
}

/** What a command may use of the process it runs in. Commands return their result; they never print it. */
export interface CommandContext {
  readonly globals: GlobalOptions
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal
  /** stdin and stderr are terminals and neither `--json` nor CI forbids to ask. */
  readonly interactive: boolean
  /** Columns of stdout, or undefined when it is not a terminal. */
  readonly columns: number | undefined
  readonly progress: ProgressOutput
  /** stdout, for a command whose result is bytes. */
  readonly output: NodeJS.WritableStream
  /** Results may carry colour. */
  readonly color: boolean
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  readonly now: () => Date
  /** What made the command run; undefined: a person. */
  readonly cause?: RunCause | undefined
  /** The config that was read already, in place of the file. */
  readonly config?: Config | undefined
  /** SIGHUP calls this from now on. Undefined: it is an interruption. */
  readonly onHangUp?: ((listener: () => void) => void) | undefined
}

/** A command's result: main prints `text` for people or `json` for programs on stdout, and exits. */
export interface CommandOutcome {
  readonly exitCode: ExitCode
  /** Without a trailing newline; '' prints nothing. */
  readonly text: string
  /** `text` is data, like a script, a secret or names of files. Else a terminal gets it wrapped at its width. */
  readonly verbatim?: true
  /**
   * In place of `text` under `--quiet`, of an operation: '' when all is well or when its events have said what is not,
   * else a line a trouble. Absent where the text is what was asked for.
   */
  readonly quiet?: string
  readonly json: unknown
}

/** One command: its own options are parsed already; it wires the parts, runs one operation, and reports. */
export type Command<Options> = (context: CommandContext, options: Options) => Promise<CommandOutcome>

/** The config of this run: the one that was read for it, or the file. Throws as {@link loadConfig}. */
export async function configOf({ config, globals, cwd, env }: CommandContext): Promise<Config> {
  return config ?? (await loadConfig({ file: globals.config, cwd, env }))
}
