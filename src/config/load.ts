import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ConfigError, UsageError } from '../errors.ts'
import type { ConfigProblem } from '../errors.ts'
import type { Config } from '../model/config.ts'
import { parseConfigDocument } from './document.ts'
import { findConfigFile } from './find-file.ts'
import type { ConfigLocation } from './find-file.ts'
import { resolveLocalPath } from './local-path.ts'
import { normaliseConfig } from './normalise.ts'
import { dottedPath } from './problem.ts'
import { ruleProblems } from './rules.ts'
import { schemaProblems } from './schema-problems.ts'
import { configSchema } from './schema.ts'

/**
 * Finds, reads and checks the config file. Files that it names (keys, secrets) are not looked at.
 *
 * @throws UsageError when there is no file or it can't be read; ConfigError with every problem at once.
 */
export async function loadConfig(location: ConfigLocation): Promise<Config> {
  const file = await findConfigFile(location)
  return parseConfig(await readText(file), file, location.env)
}

/**
 * Checks and normalises a config file's text.
 *
 * @param file absolute path, for messages and as the base of relative paths
 * @throws ConfigError with every problem at once, in the file's order.
 */
export function parseConfig(text: string, file: string, env: NodeJS.ProcessEnv): Config {
  const document = parseConfigDocument(text)
  if (document.problems.length > 0) {
    throw new ConfigError(
      document.problems.map(({ position, message, suggestion }) => ({
        file,
        ...position,
        path: '',
        message,
        suggestion,
      })),
    )
  }
  const { value } = document
  if (value === null || value === undefined) {
    throw new ConfigError([
      { file, path: '', message: 'The file is empty', suggestion: 'Start from hosts.example.yaml' },
    ])
  }
  const schema = configSchema()
  const parsed = schema.safeParse(value)
  const found = [
    ...(parsed.success ? [] : schemaProblems(schema, value, parsed.error.issues)),
    ...ruleProblems(value),
  ]
  if (!parsed.success || found.length > 0) {
    throw new ConfigError(
      inFileOrder(
        found.map((problem) => ({
          file,
          ...document.position(problem.path, problem.at ?? 'value'),
          path: dottedPath(problem.path),
          message: problem.message,
          suggestion: problem.suggestion,
        })),
      ),
    )
  }
  return normaliseConfig(parsed.data, file, (path) => resolveLocalPath(path, dirname(file), env))
}

function inFileOrder(problems: ConfigProblem[]): ConfigProblem[] {
  return problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
}

async function readText(file: string): Promise<string> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    throw new UsageError(`Can't read the config file ${file}: ${code}`, {
      next: `Make it readable for you: ls -l ${file}`,
      cause: error,
    })
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new ConfigError([{ file, path: '', message: 'The file is not UTF-8 text' }])
  }
}
