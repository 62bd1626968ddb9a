import type { Command } from 'commander'
import { createProgram } from '../../../src/cli/program.ts'

export const program = createProgram('0', () => Promise.resolve())

export const flagsOf = (command: Command): string[] =>
  command.options.flatMap(({ long }) => (!long ? [] : [long]))

const visible = (command: Command) => command.createHelp().visibleCommands(command)

/** The commands that people can type, by their whole name: `pull`, `key generate`. */
export const commands: ReadonlyMap<string, Command> = new Map(
  visible(program).flatMap((command) =>
    command.commands.length === 0
      ? [[command.name(), command] as const]
      : command.commands.map((inner) => [`${command.name()} ${inner.name()}`, inner] as const),
  ),
)

/** Every flag that some command has, and those of the program. */
export const knownFlags: ReadonlySet<string> = new Set(
  [program, ...commands.values()].flatMap((command) => [...flagsOf(command), '--help']),
)

/**
 * What is wrong with a command line, given without the program's name; undefined when it can be typed so.
 * `whole: false` takes one that leaves out what the command needs, as in "after `rollback --discard`".
 */
export function problemOf(typed: string, { whole }: { whole: boolean }): string | undefined {
  const words = typed.split(/\s+/)
  let command: Command = program
  while (command.commands.length > 0) {
    const next = command.commands.find((one) => one.name() === words[0])
    if (next === undefined) return words[0]?.startsWith('-') ? undefined : `no command ${words[0]}`
    command = next
    words.shift()
  }
  const flags = words.flatMap((word) => word.match(/^\[?(--[a-z][a-z-]*)/)?.[1] ?? [])
  const own = new Set([...flagsOf(command), ...flagsOf(program), '--help'])
  const unknown = flags.find((flag) => !own.has(flag))
  if (unknown !== undefined) return `${command.name()} has no ${unknown}`
  const missing = command.options.find(({ mandatory, long }) => mandatory && !flags.includes(long ?? ''))
  return missing === undefined || !whole ? undefined : `${command.name()} needs ${missing.long ?? ''}`
}

/** Programs whose flags are named in messages and documents, too. */
export const OTHER_PROGRAMS =
  /\b(?:gpg|sha256sum|shasum|[Dd]ocker|docker-compose|redis-cli|redis-server|tar|apt-get|apk|ulimit|chown|node|npm|npx|git|rclone|rsync|ssh|systemctl|loginctl)\b/
