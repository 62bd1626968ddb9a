import { loadConfig } from '../config/load.ts'
import { ExitCode } from '../exit-codes.ts'
import { printable } from '../model/path-bytes.ts'
import { errorToJson } from '../report/render-error.ts'
import { renderTable } from '../report/table.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { configuredKeyFiles, keyToJson } from './key-files.ts'
import type { ConfiguredKeyFile } from './key-files.ts'

const HEAD = ['role', 'fingerprint', 'algorithm', 'created', 'expires', 'gpg 2.2', 'file']

/** `key list`: the recipients and the identity of the config. Exit 1 when none of the files can be read. */
export async function keyList(context: CommandContext): Promise<CommandOutcome> {
  const { encryption } = await loadConfig({
    file: context.globals.config,
    cwd: context.cwd,
    env: context.env,
  })
  const files = await configuredKeyFiles(encryption, context.now())
  const readable = files.some(({ keys }) => keys.length > 0)
  return {
    exitCode: files.length === 0 || readable ? ExitCode.done : ExitCode.failed,
    text:
      files.length === 0
        ? 'The config encrypts with a passphrase; it names no keys.'
        : renderTable(files.flatMap(rows), { head: HEAD, color: context.color, columns: context.columns }),
    json: {
      keys: files.flatMap(({ role, keys }) => keys.map((key) => ({ role, ...keyToJson(key) }))),
      problems: files.flatMap(({ role, file, problem }) =>
        problem === undefined ? [] : [{ role, file, ...(errorToJson(problem) as object) }],
      ),
    },
  }
}

function rows({ role, file, keys, problem }: ConfiguredKeyFile): string[][] {
  if (problem !== undefined) return [[role, printable(problem.message), '', '', '', '', printable(file)]]
  return keys.map((key) => [
    role,
    key.fingerprint,
    key.algorithm,
    key.created.toISOString().slice(0, 10),
    key.expires?.toISOString().slice(0, 10) ?? 'never',
    key.gnupg22 ? 'yes' : 'no',
    printable(file),
  ])
}
