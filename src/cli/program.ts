import { Command } from 'commander'
import type { CommandContext, CommandOutcome, GlobalOptions } from '../commands/context.ts'
import type { TypedCommand } from '../commands/schedule-line.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { declareCheckCommand } from './check.ts'
import { commandLine } from './command-line.ts'
import { declareCompletionCommands } from './completion.ts'
import { declareConfigCommands } from './config.ts'
import { declareHostsCommands } from './hosts.ts'
import { declareInitCommand } from './init.ts'
import { declareKeyCommands } from './key.ts'
import { declareLookCommands } from './look.ts'
import { declareMigrateCommands } from './migrate.ts'
import { declareOperateCommands } from './operate.ts'
import { declarePullCommands } from './pull.ts'
import { declareRestoreCommands } from './restore.ts'
import { declareScheduleCommands } from './schedule.ts'
import { declareSecretCommands } from './secret.ts'
import { declareVaultCommands } from './vault.ts'

/** Runs a command's module with its parsed options; given by main, called by the declarations. */
export type Run = (
  globals: GlobalOptions,
  command: (context: CommandContext) => Promise<CommandOutcome>,
  typed: TypedCommand,
) => Promise<void>

/** The whole command line (docs/design/commands.md). Declarations only: a command's module loads when it runs. */
export function createProgram(version: string, run: Run): Command {
  const program = new Command('relay-backup')
  program
    .description('Encrypted, verified backups of deployment servers over SSH, with nothing installed there')
    .version(version, '-V, --version', 'print the version')
    .option(
      '--config <file>',
      'the config file (default: $RELAY_BACKUP_CONFIG, ./hosts.yaml, then the XDG config directory)',
    )
    .option('--json', 'one JSON document on stdout, progress as NDJSON on stderr', false)
    .option('--quiet', 'no progress', false)
    .option('--verbose', 'more detail', false)
    .option('--no-color', 'no colours (also: NO_COLOR)')
    .helpOption('-h, --help', 'print help')
    .helpCommand(false)
    // A description wraps beside its command, however narrow the command leaves it.
    .configureHelp({ showGlobalOptions: true, minWidthToWrap: 20 })
    .addHelpText('after', `\nExit codes:\n${exitCodeLines()}`)
    .showSuggestionAfterError(true)
    // Wrong usage is rendered as every other error is, by main.
    .configureOutput({ outputError: () => {} })
    .exitOverride()
  const declare: Declare = (command, load) => {
    command.action(async (...parameters: unknown[]) => {
      const self = parameters.at(-1) as Command
      await run(
        self.optsWithGlobals<GlobalOptions>(),
        async (context) => {
          const module = await load()
          return module(context, self.args, self.opts() as never)
        },
        { args: self.args, flags: self.opts() },
      )
    })
  }
  const line = commandLine((each) => createProgram(version, each))
  declareInitCommand(program, declare)
  declarePullCommands(program, declare)
  declareRestoreCommands(program, declare)
  declareMigrateCommands(program, declare)
  declareVaultCommands(program, declare)
  declareOperateCommands(program, declare, line)
  declareCheckCommand(program, declare)
  declareLookCommands(program, declare)
  declareHostsCommands(program, declare)
  declareKeyCommands(program, declare)
  declareSecretCommands(program, declare)
  declareScheduleCommands(program, declare, line)
  declareConfigCommands(program, declare, line)
  declareCompletionCommands(program, declare)
  declareHelpCommand(program)
  return program
}

/**
 * Connects a declared command with the module that runs it:
 * `declare(program.command('list [host]'), async () => (await import('../commands/list.ts')).list)`.
 * The function gets the positional arguments and the command's own options as commander parsed them.
 */
export type Declare = (
  command: Command,
  load: () => Promise<
    (context: CommandContext, args: readonly string[], options: never) => Promise<CommandOutcome>
  >,
) => void

/** `help key generate`: what `key generate --help` prints. */
function declareHelpCommand(program: Command): void {
  program
    .command('help')
    .description('print the help of a command')
    .argument('[command...]', 'its name, like pull or key generate (default: all commands)')
    .action(async (words: readonly string[]) => {
      let command = program
      for (const word of words) {
        const next = command.commands.find((one) => one.name() === word)
        if (next === undefined) {
          const { nearest } = await import('../model/nearest.ts')
          const names = command.commands.map((one) => one.name())
          const near = nearest(word, names)
          program.error(`unknown command '${word}'${near === undefined ? '' : `\n(Did you mean ${near}?)`}`)
        }
        command = next
      }
      command.help()
    })
}

const exitCodeLines = (): string =>
  EXIT_CODES.map(([code, meaning]) => `  ${String(code).padEnd(3)}  ${meaning}`).join('\n')
