import { parseConfig } from '../../../src/config/load.ts'
import { ConfigError } from '../../../src/errors.ts'
import type { ConfigProblem } from '../../../src/errors.ts'
import type { Config } from '../../../src/model/config.ts'

export const FILE = '/etc/rb/hosts.yaml'
export const ENV = { HOME: '/home/me' }

/** The lines every config needs. */
export const HEAD = `version: 1
vault: ~/vault
encryption: { recipients: [a.asc] }
`

export function parse(text: string): Config {
  return parseConfig(text, FILE, ENV)
}

/** The config with one host `prod` whose keys are given, indented by nothing. */
export function withHost(keys: string): string {
  const lines = keys.split('\n').map((line) => `    ${line}`)
  return `${HEAD}hosts:\n  prod:\n    ssh: me@host\n${lines.join('\n')}\n`
}

export function problemsOf(text: string): readonly ConfigProblem[] {
  try {
    parse(text)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

/** `6:5 hosts.prod.sudo: message (suggestion)` */
export function shown(text: string): string[] {
  return problemsOf(text).map(
    ({ line, column, path, message, suggestion }) =>
      `${line ?? '-'}:${column ?? '-'} ${path}: ${message}${suggestion === undefined ? '' : ` (${suggestion})`}`,
  )
}
