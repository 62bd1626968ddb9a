import { parseTarget } from '../model/target.ts'

/** Why a text is no `user@host[:port]`; undefined when it is one. Never repeats the text. */
export function targetProblem(text: string): string | undefined {
  return parseTarget(text) === undefined
    ? 'not an SSH target; write user@host, user@host:port, or user@[IPv6 address]:port'
    : undefined
}
