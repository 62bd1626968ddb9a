import { isIPv6 } from 'node:net'

/** The longest path that a unix socket can have (sun_path, with its NUL). */
const MAX_SOCKET_PATH = 107

/**
 * `host`, `host:port`, `[v6]`, `[v6]:port` or `unix:/path` of a server of data; undefined when it is none of them.
 */
export function parseAddress(
  text: string,
  defaultPort: number,
): { address: string; port: number } | { socket: string } | undefined {
  const socket = /^unix:(\/[^\0\n]*[^/\0\n])$/.exec(text)?.[1]
  if (socket !== undefined) return Buffer.byteLength(socket) > MAX_SOCKET_PATH ? undefined : { socket }
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_][A-Za-z0-9._-]*))(?::(\d{1,5}))?$/.exec(text)
  if (!match) return undefined
  const [, v6, name, portText] = match
  const port = portText === undefined ? defaultPort : Number(portText)
  if (port < 1 || port > 65_535 || (v6 !== undefined && !isIPv6(v6))) return undefined
  return { address: v6 ?? name ?? '', port }
}

/** Why a text is no address; undefined when it is one. `examples` are a port and a socket of such a server. */
export function addressProblem(
  text: string,
  examples: { readonly port: number; readonly socket: string },
): string | undefined {
  if (parseAddress(text, examples.port) !== undefined) return undefined
  return text.startsWith('unix:')
    ? `not a socket; write unix: and its absolute path of at most ${MAX_SOCKET_PATH} bytes, unix:${examples.socket}`
    : `not an address; write host:port, 127.0.0.1:${examples.port} or [::1]:${examples.port}, without a scheme or password`
}
