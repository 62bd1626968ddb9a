import { isIPv6 } from 'node:net'
import { parseTarget } from '../model/target.ts'

const REDIS_PORT = 6379

/** Why a text is no `user@host[:port]`; undefined when it is one. Never repeats the text. */
export function targetProblem(text: string): string | undefined {
  return parseTarget(text) === undefined
    ? 'not an SSH target; write user@host, user@host:port, or user@[IPv6 address]:port'
    : undefined
}

/** `host`, `host:port`, `[v6]` or `[v6]:port` of a Redis server; undefined when it is none of them. */
export function parseAddress(text: string): { address: string; port: number } | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_][A-Za-z0-9._-]*))(?::(\d{1,5}))?$/.exec(text)
  if (!match) return undefined
  const [, v6, name, portText] = match
  const port = portText === undefined ? REDIS_PORT : Number(portText)
  if (port < 1 || port > 65_535 || (v6 !== undefined && !isIPv6(v6))) return undefined
  return { address: v6 ?? name ?? '', port }
}

export function addressProblem(text: string): string | undefined {
  return parseAddress(text) === undefined
    ? 'not an address; write host:port, 127.0.0.1:6379 or [::1]:6379, without a scheme or password'
    : undefined
}
