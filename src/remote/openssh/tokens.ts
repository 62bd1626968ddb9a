import { createHash } from 'node:crypto'
import { join } from 'node:path'

/** This machine and who runs this, as OpenSSH sees them. */
export interface LocalSide {
  readonly user: string
  readonly uid: number
  /** `$HOME`, or the home of the user database. */
  readonly home: string
  readonly hostname: string
  readonly env: NodeJS.ProcessEnv
}

/** The values of the tokens of ssh_config(5), by their letters. */
export type Tokens = Readonly<Record<string, string>>

/** The tokens for a destination (ssh_config(5), TOKENS). */
export function tokensOf(
  local: LocalSide,
  remote: {
    readonly asked: string
    readonly host: string
    readonly port: number
    readonly user: string
    readonly jump: string
    readonly alias: string | undefined
  },
): Tokens {
  const port = String(remote.port)
  return {
    '%': '%',
    C: createHash('sha1')
      .update(local.hostname + remote.host + port + remote.user + remote.jump)
      .digest('hex'),
    d: local.home,
    h: remote.host,
    i: String(local.uid),
    j: remote.jump,
    k: remote.alias ?? remote.asked,
    L: local.hostname.replace(/\..*/, ''),
    l: local.hostname,
    n: remote.asked,
    p: port,
    r: remote.user,
    u: local.user,
  }
}

/** A text with its tokens replaced. Throws Error for one that is unknown, as OpenSSH does. */
export function expandTokens(text: string, tokens: Tokens): string {
  return text.replaceAll(/%(.?)/gs, (token, letter: string) => {
    const value = tokens[letter]
    if (value === undefined) throw new Error(`unknown token ${token} in "${text}"`)
    return value
  })
}

/** A path with its tokens, `${VARIABLES}` and leading `~/` replaced. Throws Error as {@link expandTokens}. */
export function expandPath(text: string, tokens: Tokens, local: LocalSide): string {
  const named = text.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = local.env[name]
    if (value === undefined) throw new Error(`the variable ${name} of "${text}" is not set`)
    return value
  })
  return inHome(expandTokens(named, tokens), local)
}

/** A path whose leading `~` is the home. */
export function inHome(path: string, { home }: Pick<LocalSide, 'home'>): string {
  return path === '~' || path.startsWith('~/') ? join(home, path.slice(1)) : path
}
