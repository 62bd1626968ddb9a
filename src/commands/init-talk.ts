import type { Candidate } from '../init/candidates.ts'
import type { HostSource } from '../init/propose.ts'
import { printable } from '../model/path-bytes.ts'
import { formatSize } from '../model/units.ts'
import type { CommandContext } from './context.ts'
import { ask } from './question.ts'

/** Whoever sits at the terminal and sets up backups. Each question has an answer that Enter gives. */
export class InitTalk {
  readonly #context: CommandContext

  constructor(context: CommandContext) {
    this.#context = context
  }

  /** Asks until the answer has no problem. */
  async text(
    message: string,
    options: {
      readonly initial?: string | undefined
      readonly problem?: (text: string) => string | undefined
    } = {},
  ): Promise<string> {
    const { input } = await import('@inquirer/prompts')
    const { initial, problem } = options
    const answer = await ask(() =>
      input(
        {
          message,
          ...(initial === undefined ? {} : { default: initial }),
          validate: (text) => problem?.(text.trim()) ?? true,
        },
        this.#at,
      ),
    )
    return answer.trim()
  }

  async yes(message: string, initial = true): Promise<boolean> {
    const { confirm } = await import('@inquirer/prompts')
    return await ask(() => confirm({ message, default: initial }, this.#at))
  }

  async choose<T extends string>(
    message: string,
    choices: readonly { readonly value: T; readonly name: string }[],
  ): Promise<T> {
    const { select } = await import('@inquirer/prompts')
    return await ask(() => select<T>({ message, choices: [...choices] }, this.#at))
  }

  /** The directory of the app: one of those that were found, or another one. */
  async deployment(
    found: readonly Candidate[],
    problem: (text: string) => string | undefined,
  ): Promise<string> {
    const other = ''
    const chosen =
      found.length === 0
        ? other
        : await this.choose('Which app?', [
            ...found.map(({ directory, what }) => ({
              value: directory,
              name: `${printable(directory)}  ${printable(what)}`,
            })),
            { value: other, name: 'another directory' },
          ])
    return chosen === other
      ? await this.text('Its directory on the server (~/app, /srv/app):', { problem })
      : chosen
  }

  async sources(proposed: readonly HostSource[]): Promise<readonly HostSource[]> {
    const { checkbox } = await import('@inquirer/prompts')
    return await ask(() =>
      checkbox<HostSource>(
        {
          message: 'What to back up? (space: in or out; Enter: go on)',
          required: true,
          pageSize: 15,
          choices: proposed.map((source) => ({
            value: source,
            name: sourceLine(source),
            short: source.name,
            checked: source.isDoubtful !== true,
          })),
        },
        this.#at,
      ),
    )
  }

  /** Questions go to stderr: stdout is for results. */
  get #at(): { readonly signal: AbortSignal; readonly output: NodeJS.WritableStream } {
    return { signal: this.#context.signal, output: process.stderr }
  }
}

/** A source on one line: its name, its kind, where it is, how big it is. */
export function sourceLine({ name, config, bytes }: HostSource): string {
  const { kind, path, paths, volume } = config
  const where = [path, paths, volume].flat().filter((text) => typeof text === 'string')
  const size = bytes === undefined ? '' : `, ${formatSize(bytes)}`
  return printable(`${name.padEnd(14)} ${String(kind)} ${where.join(' ')}${size}`)
}
