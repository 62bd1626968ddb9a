import { isIPv6 } from 'node:net'
import { parseTarget } from '../model/target.ts'

const REDIS_PORT = 6379

/** Why a text is no `user@host[:port]`; undefined when it is one. Never repeats the text. */
export function targetProblem(text: string): string | undefined {
  return parseTarget(text) === undefined
    ? 'not an SSH target; write user@host, user@host:port, or user@[IPv6 address]:port'
    : undefined
}

/** The longest path that a unix socket can have (sun_path, with its NUL). */
const MAX_SOCKET_PATH = 107

/**
 * `host`, `host:port`, `[v6]`, `[v6]:port` or `unix:/path` of a Redis server; undefined when it is none of them.
 */
export function parseAddress(
  text: string,
): { address: string; port: number } | { socket: string } | undefined {
  const socket = /^unix:(\/[^\0\n]*[^/\0\n])$/.exec(text)?.[1]
  if (socket !== undefined) return Buffer.byteLength(socket) > MAX_SOCKET_PATH ? undefined : { socket }
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_][A-Za-z0-9._-]*))(?::(\d{1,5}))?$/.exec(text)
  if (!match) return undefined
  const [, v6, name, portText] = match
  const port = portText === undefined ? REDIS_PORT : Number(portText)
  if (port < 1 || port > 65_535 || (v6 !== undefined && !isIPv6(v6))) return undefined
  return { address: v6 ?? name ?? '', port }
}

export function addressProblem(text: string): string | undefined {
  if (parseAddress(text) === undefined && text.startsWith('unix:'))
    return 'not a socket; write unix: and its absolute path of at most 107 bytes, unix:/run/redis/redis.sock'
  return parseAddress(text) === undefined
    ? 'not an address; write host:port, 127.0.0.1:6379 or [::1]:6379, without a scheme or password'
    : undefined
}
