import type { Argument, Command, Option } from 'commander'
import { EXIT_CODES } from '../../src/exit-codes.ts'
import { bold, entry, italic, marked, page, plain, section } from './roff.ts'

/**
 * A page of the whole program, and one of each command of it, by file name: `relay-backup.1`, `relay-backup-pull.1`.
 * They say what the declarations of the command line say.
 */
export function commandPages(program: Command, version: string): Map<string, string> {
  const pages = new Map([[`${program.name()}.1`, programPage(program, version)]])
  for (const command of visible(program)) {
    pages.set(`${program.name()}-${command.name()}.1`, commandPage(program, command, version))
  }
  return pages
}

function programPage(program: Command, version: string): string {
  const name = program.name()
  return page(name, 1, version, [
    ...section('Name', [`${plain(name)} \\- ${plain(program.description())}`]),
    ...section('Synopsis', [`${bold(name)} [${italic('options')}] ${italic('command')} ...`]),
    ...section(
      'Commands',
      visible(program).flatMap((command) =>
        entry(reference(`${name}-${command.name()}`, 1), sentence(command.description())),
      ),
    ),
    ...section('Options', optionEntries(program)),
    ...section(
      'Exit status',
      EXIT_CODES.flatMap(([code, meaning]) => entry(String(code), sentence(meaning))),
    ),
    ...section('Environment', [
      ...entry(bold('RELAY_BACKUP_CONFIG'), 'The config file, when no option names one.'),
      ...entry(bold('NO_COLOR'), 'No colours, when it is set to anything.'),
    ]),
    ...section('Files', [
      ...entry(
        `${italic('./hosts.yaml')}, ${italic('~/.config/relay-backup/hosts.yaml')}`,
        `The config file. See ${reference(`${name}-hosts.yaml`, 5)}.`,
      ),
    ]),
    ...section('See also', [
      [
        ...visible(program).map((command) => reference(`${name}-${command.name()}`, 1)),
        reference(`${name}-hosts.yaml`, 5),
      ].join(',\n'),
    ]),
  ])
}

function commandPage(program: Command, command: Command, version: string): string {
  const name = `${program.name()}-${command.name()}`
  const leaves = command.commands.length === 0 ? [command] : command.commands
  return page(name, 1, version, [
    ...section('Name', [`${plain(name)} \\- ${plain(command.description())}`]),
    ...section(
      'Synopsis',
      leaves.flatMap((leaf, index) => [...(index === 0 ? [] : ['.br']), synopsis(leaf)]),
    ),
    ...(command.commands.length === 0
      ? section('Options', [...argumentEntries(command), ...optionEntries(command)])
      : section(
          'Commands',
          leaves.flatMap((leaf) => [
            `.SS ${plain(leaf.name())}`,
            sentence(leaf.description()),
            ...argumentEntries(leaf),
            ...optionEntries(leaf),
          ]),
        )),
    ...section('See also', [
      `${reference(program.name(), 1)} has the options of every command and the exit status,\n` +
        `${reference(`${program.name()}-hosts.yaml`, 5)} the keys of the config file.`,
    ]),
  ])
}

/** `relay-backup key generate [options] FILE…`, as it is typed. */
function synopsis(command: Command): string {
  const words: string[] = []
  for (let one: Command | null = command; one; one = one.parent) words.unshift(one.name())
  const needed = command.options.filter(({ mandatory }) => mandatory).map(term)
  return [
    bold(words.join(' ')),
    ...(command.options.length === needed.length ? [] : [`[${italic('options')}]`]),
    ...needed,
    ...command.registeredArguments.map((argument) => argumentTerm(argument)),
  ].join(' ')
}

function argumentTerm(argument: Argument): string {
  const name = italic(argument.name().toUpperCase()) + (argument.variadic ? '...' : '')
  return argument.required ? name : `[${name}]`
}

const argumentEntries = (command: Command): string[] =>
  command.registeredArguments.flatMap((argument) =>
    entry(argumentTerm(argument), sentence(argument.description)),
  )

const optionEntries = (command: Command): string[] =>
  command
    .createHelp()
    .visibleOptions(command)
    .flatMap((option) => entry(term(option), sentence(option.description) + choices(option)))

/** `-l, --long` in bold, with what it takes in italics. */
function term(option: Option): string {
  const [flags = option.flags, value] = option.flags.split(/ (?=[<[])/)
  const names = flags.split(', ').map(bold).join(', ')
  if (value === undefined) return names
  const name = value.replace(/^[<[]|(\.\.\.)?[>\]]$/g, '')
  return `${names} ${italic(name.toUpperCase())}${option.variadic ? '...' : ''}`
}

function choices({ argChoices, defaultValue }: Option): string {
  if (argChoices === undefined) return ''
  const names = argChoices.map((choice) => bold(choice)).join(', ')
  return `\nOne of ${names}${typeof defaultValue === 'string' ? `; default ${bold(defaultValue)}` : ''}.`
}

const reference = (name: string, chapter: number): string => `${bold(name)}(${String(chapter)})`

/** Descriptions of the command line begin small and have no full stop. */
function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1)
  return marked(/[.:]$/.test(first) ? first : `${first}.`)
}

const visible = (command: Command): Command[] => command.createHelp().visibleCommands(command)
