import { parseArguments, splitWords } from '../start/directives.ts'
import type { StartArguments } from '../start/directives.ts'

const SERVER = /(?:^|\/)(?:redis|valkey|keydb)-server$/
const SHELL = /(?:^|\/)(?:ba|da|a)?sh$/
/** What of a command line is looked at; the value of anything else may be a variable. */
const RELEVANT = /^(?:include|port|dir|dbfilename|append[a-z]+|databases|aof-use-rdb-preamble)$/i

/**
 * What the redis-server of a container is started with, from the container's command line; undefined when an
 * entrypoint makes that up by itself, or variables decide it.
 */
export function parseContainerCommand(words: readonly string[]): StartArguments | undefined {
  const server = words.findIndex((word) => SERVER.test(word))
  if (server !== -1) return parseArguments(words.slice(server))
  const [program = '', first = ''] = words
  // The official images put redis-server before options and config files (docker-entrypoint.sh).
  if (/(?:^|\/)docker-entrypoint\.sh$/.test(program) && (first.startsWith('-') || first.endsWith('.conf'))) {
    return parseArguments(words)
  }
  const shell = words.findIndex((word) => SHELL.test(word))
  const script = shell !== -1 && words[shell + 1] === '-c' ? words[shell + 2] : undefined
  return script === undefined ? undefined : parseShellCommand(script)
}

/**
 * What the one redis-server in a line of sh is started with: `exec redis-server --requirepass "$PASSWORD" --appendonly yes`.
 * Undefined when there is none, or several, or variables decide it.
 */
export function parseShellCommand(script: string): StartArguments | undefined {
  const words = splitWords(script.replaceAll(/(?<=\w)(?=[;&|])/g, ' '))
  const server = words?.findIndex((word) => SERVER.test(word)) ?? -1
  if (words === undefined || server === -1) return undefined
  if (words.findLastIndex((word) => SERVER.test(word)) !== server) return undefined
  const end = words.findIndex((word, at) => at > server && /^[;&|<>]/.test(word))
  const own = words.slice(server, end === -1 ? undefined : end)
  const decides = own.some((word, at) => {
    const option = /^--(.*)$/.exec(own[at - 1] ?? '')?.[1]
    return /[$`*]/.test(word) && (option === undefined || RELEVANT.test(option))
  })
  return decides ? undefined : parseArguments(own)
}
