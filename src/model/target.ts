import { isIPv6 } from 'node:net'

export interface SshTarget {
  readonly user?: string
  /** A name, an IPv4 address, or an IPv6 address without its brackets. */
  readonly host: string
  readonly port?: number
}

/**
 * `[user@]host[:port]` or `[user@][v6][:port]`; undefined when it is none of them. An IPv6 address needs its
 * brackets, also without a port. What follows the last `@` is the host.
 */
export function parseTarget(text: string): SshTarget | undefined {
  const at = text.lastIndexOf('@')
  const user = at === -1 ? undefined : text.slice(0, at)
  // A user name may hold nearly anything, but it must not look like a URL, an option or a typing error.
  if (user !== undefined && !/^[^\s\x00-\x1f\x7f/:-][^\s\x00-\x1f\x7f/:]*$/.test(user)) return undefined
  const match =
    /^(?:\[(?<v6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?<name>[A-Za-z0-9_][A-Za-z0-9._-]*))(?::(?<port>\d{1,5}))?$/.exec(
      text.slice(at + 1),
    )
  const { v6, name, port: portText } = match?.groups ?? {}
  const host = v6 ?? name
  const port = portText === undefined ? undefined : Number(portText)
  if (host === undefined || (v6 !== undefined && !isIPv6(v6))) return undefined
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined
  return { ...(user === undefined ? {} : { user }), host, ...(port === undefined ? {} : { port }) }
}
