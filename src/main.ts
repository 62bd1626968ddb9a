import { writeSync } from 'node:fs'
import { CommanderError } from 'commander'
import { createProgram } from './cli/program.ts'
import type { CommandContext, CommandOutcome, GlobalOptions, ProgressOutput } from './commands/context.ts'
import { InterruptedError, UsageError } from './errors.ts'
import { ExitCode, exitCodeOf, isExpected } from './exit-codes.ts'
import { errorToJson, renderError } from './report/render-error.ts'
import { errorTroubles } from './report/trouble-line.ts'
import { columnsOf, wrapText } from './report/wrap.ts'
import { TOOL } from './version.ts'

/** The process's edge: signals, exit codes, rendering of results and errors. Never throws. */
export async function main(argv: readonly string[]): Promise<void> {
  let json = argv.includes('--json')
  let color = useColor(process.stderr)
  let verbose = argv.includes('--verbose')
  let quiet = argv.includes('--quiet')
  const style = () => ({ color, verbose, columns: columnsOf(process.stderr) })
  const controller = new AbortController()
  let interrupts = 0
  const interrupt = () => {
    interrupts += 1
    const error = new InterruptedError()
    // The second Ctrl-C does not wait for the server: what still runs there ends by its lease.
    if (interrupts > 1) {
      if (json) writeSync(1, `${JSON.stringify(errorToJson(error), null, 2)}\n`)
      else writeSync(2, renderError(error, style()))
      process.exit(ExitCode.interrupted)
    }
    controller.abort(error)
  }
  const told = (error: unknown) =>
    quiet && isExpected(error)
      ? errorTroubles(error)
          .map((line) => `${line}\n`)
          .join('')
      : renderError(error, style())
  let hangUp = interrupt
  process
    .on('SIGINT', interrupt)
    .on('SIGTERM', interrupt)
    .on('SIGHUP', () => hangUp())
  // When the reader goes away (`| head`), the program ends quietly, as any Unix tool does. An outcome that is known
  // stays the exit code.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit()
  })
  // This event comes only when nothing is left that could bring an outcome. Node would then end with 0, which says that
  // all is well.
  process.once('beforeExit', () => {
    writeSync(2, renderError(new Error('The program ended without an outcome'), style()))
    process.exit(ExitCode.failed)
  })

  try {
    const program = createProgram(TOOL.version, async (globals, command) => {
      json = globals.json
      color = globals.color && color
      verbose = globals.verbose
      quiet = globals.quiet
      const outcome = await command({
        ...contextFor(globals, controller.signal),
        onHangUp: (listener) => (hangUp = listener),
      })
      process.exitCode = outcome.exitCode
      await print(
        json ? `${JSON.stringify(outcome.json, null, 2)}\n` : withNewline(resultText(outcome, globals)),
      )
    })
    await program.parseAsync([...argv])
  } catch (thrown) {
    if (thrown instanceof CommanderError && (thrown.exitCode === 0 || thrown.code === 'commander.help')) {
      // --help and --version are no errors; without any command the help was printed.
      process.exitCode = thrown.exitCode === 0 ? ExitCode.done : ExitCode.usage
    } else {
      const error = controller.signal.aborted ? controller.signal.reason : asUsage(thrown)
      // stderr is NDJSON then, but the stack of a defect is worth more.
      if (!json || !isExpected(error)) process.stderr.write(told(error))
      process.exitCode = exitCodeOf(error)
      if (json) await print(`${JSON.stringify(errorToJson(error), null, 2)}\n`)
    }
  }
  // Handles that a dead peer keeps open must not hold the process once its outcome is known.
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()))
  process.exit()
}

function contextFor(globals: GlobalOptions, signal: AbortSignal): CommandContext {
  return {
    globals,
    signal,
    interactive: Boolean(process.stdin.isTTY && process.stderr.isTTY) && !globals.json && !process.env['CI'],
    progress: {
      mode: progressMode(globals),
      stream: process.stderr,
      verbose: globals.verbose,
      color: globals.color && useColor(process.stderr),
    },
    output: process.stdout,
    columns: columnsOf(process.stdout),
    color: globals.color && useColor(process.stdout),
    env: process.env,
    cwd: process.cwd(),
    now: () => new Date(),
  }
}

function progressMode(globals: GlobalOptions): ProgressOutput['mode'] {
  if (globals.quiet) return 'quiet'
  if (globals.json) return 'json'
  const live = process.stderr.isTTY && process.env['TERM'] !== 'dumb' && !process.env['CI']
  return live ? 'tty' : 'plain'
}

/** What commander refuses is wrong usage. */
function asUsage(thrown: unknown): unknown {
  if (!(thrown instanceof CommanderError)) return thrown
  const [message = '', hint = ''] = thrown.message.replace(/^error: /, '').split('\n')
  return new UsageError(message, { next: `${hint.replace(/^\((.*)\)$/, '$1 ')}See: relay-backup --help` })
}

/** https://no-color.org: any non-empty NO_COLOR turns colours off. */
function useColor(stream: NodeJS.WriteStream): boolean {
  return Boolean(stream.isTTY) && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
}

/** Under `--quiet` a trouble stays one line, as for who reads it from a pipe. */
function resultText({ text, quiet, verbatim }: CommandOutcome, globals: GlobalOptions): string {
  if (globals.quiet && quiet !== undefined) return quiet
  return verbatim === true ? text : wrapText(text, columnsOf(process.stdout))
}

function withNewline(text: string): string {
  return text === '' ? '' : `${text}\n`
}

function print(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()))
}
