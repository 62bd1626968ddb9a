import type { Command, Option } from 'commander'
import type { Choice, Wanted } from '../commands/complete.ts'

/**
 * What may stand at the last of `words`, by the command line's declarations. The last word may be begun or empty; what
 * does not begin as it does is left to the caller.
 */
export function wantedAt(program: Command, words: readonly string[]): Wanted {
  const last = words.at(-1) ?? ''
  const flags = new Map<string, string>()
  const args: string[] = []
  const used = new Set<Option>()
  const wanted = (more: Partial<Wanted>): Wanted => ({
    word: last,
    choices: [],
    kind: '',
    before: '',
    flags,
    args,
    ...more,
  })

  let command = program
  /** The flag whose value the next word is. */
  let open: Option | undefined
  let onlyArgs = false
  for (const word of words.slice(0, -1)) {
    if (!onlyArgs && word.startsWith('-') && (open === undefined || open.variadic)) {
      onlyArgs = word === '--'
      const [name = '', value] = word.split(/=(.*)/s, 2)
      const option = optionsOf(command).find(({ short, long }) => name === short || name === long)
      if (option !== undefined) used.add(option)
      if (option !== undefined && value !== undefined) flags.set(option.attributeName(), value)
      open = option?.required === true && value === undefined ? option : undefined
      continue
    }
    if (open !== undefined) {
      flags.set(open.attributeName(), word)
      if (!open.variadic) open = undefined
      continue
    }
    const next = args.length === 0 ? command.commands.find((one) => one.name() === word) : undefined
    if (next !== undefined) command = next
    else args.push(word)
  }

  if (open !== undefined && !(open.variadic && last.startsWith('-'))) {
    return wanted({ choices: choicesOf(open), kind: valueOf(open) })
  }
  if (!onlyArgs && last.startsWith('-')) {
    const [name = '', value] = last.split(/=(.*)/s, 2)
    const assigned = optionsOf(command).find(({ long }) => long === name && value !== undefined)
    if (assigned !== undefined) {
      return wanted({ choices: choicesOf(assigned), kind: valueOf(assigned), before: `${name}=` })
    }
    return wanted({
      choices: optionsOf(command)
        .filter((option) => option.variadic || !used.has(option))
        .flatMap(({ long, description }) => (long ? [{ value: long, about: description }] : [])),
    })
  }
  if (command.commands.length > 0 && args.length === 0) return wanted({ choices: commandsOf(command) })
  // `help` takes the names of commands.
  if (command.name() === 'help') {
    const group = args.reduce<Command | undefined>(
      (at, word) => at?.commands.find((one) => one.name() === word),
      program,
    )
    return wanted({ choices: group === undefined ? [] : commandsOf(group) })
  }
  const declared = command.registeredArguments
  const argument = declared[args.length] ?? declared.filter(({ variadic }) => variadic).at(-1)
  if (argument === undefined) return wanted({})
  return wanted({
    choices: (argument.argChoices ?? []).map((value) => ({ value, about: '' })),
    kind: argument.name(),
  })
}

/** The options that can stand behind a command: its own, and those of the program. */
function optionsOf(command: Command): readonly Option[] {
  const help = command.createHelp()
  return [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)]
}

const commandsOf = (command: Command): Choice[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .map((one) => ({ value: one.name(), about: one.description() }))

const choicesOf = ({ argChoices = [] }: Option): Choice[] => argChoices.map((value) => ({ value, about: '' }))

/** `host` of `--host <host>`. */
const valueOf = ({ flags }: Option): string => /<(.*?)(?:\.\.\.)?>/.exec(flags)?.[1] ?? ''
