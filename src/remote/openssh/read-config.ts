import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { matchesPatternList } from './patterns.ts'
import type { Settings } from './settings.ts'
import { expandPath, expandTokens, tokensOf } from './tokens.ts'
import type { LocalSide, Tokens } from './tokens.ts'

// ssh_config(5) as far as it decides about destinations, for machines without OpenSSH (docs/decisions/0015).

/** What is asked of the config: the command line's own values come first, as with `ssh -l -p -J`. */
export interface ConfigQuery {
  readonly host: string
  readonly user: string | undefined
  readonly port: number | undefined
  readonly jump: string | undefined
}

/** OpenSSH has the same limit (READCONF_MAX_DEPTH). */
const MAX_DEPTH = 16
/** These are collected; of all others the first value counts. */
const COLLECTED = new Set(['identityfile', 'certificatefile'])

/**
 * What the config files say of a destination. A file that is not there says nothing.
 *
 * @param files the user's own first
 * @throws Error for what only OpenSSH itself can judge (`Match exec`, `CanonicalizeHostname`), and for what is wrong.
 */
export async function readSshConfig(
  query: ConfigQuery,
  files: readonly string[],
  local: LocalSide,
): Promise<Settings> {
  const reader = new ConfigReader(query, local)
  for (const file of files) await reader.readFile(file, { depth: 0, active: true })
  if (reader.wantsFinalPass) {
    reader.final = true
    for (const file of files) await reader.readFile(file, { depth: 0, active: true })
  }
  return reader.settings()
}

class ConfigReader {
  wantsFinalPass = false
  final = false
  readonly #query: ConfigQuery
  readonly #local: LocalSide
  readonly #values = new Map<string, string[]>()

  constructor(query: ConfigQuery, local: LocalSide) {
    this.#query = query
    this.#local = local
    const { user, port, jump } = query
    if (user !== undefined) this.#values.set('user', [user])
    if (port !== undefined) this.#values.set('port', [String(port)])
    if (jump !== undefined) this.#values.set('proxyjump', [jump])
  }

  settings(): Settings {
    const settings = new Map(this.#values).set('hostname', [this.#hostname()])
    const known = settings.get('userknownhostsfile')?.[0]
    return known === undefined
      ? settings
      : settings.set('userknownhostsfile', [expandPath(known, this.#tokens(), this.#local)])
  }

  async readFile(
    file: string,
    { depth, active }: { readonly depth: number; active: boolean },
  ): Promise<void> {
    if (depth > MAX_DEPTH) throw new Error(`${file}: too many includes`)
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return ''
      throw error
    })
    const outer = active
    for (const [index, line] of text.split('\n').entries()) {
      const [keyword, ...args] = wordsOf(line)
      if (keyword === undefined) continue
      const name = keyword.toLowerCase()
      try {
        if (name === 'host') active = outer && matchesPatternList(args, this.#query.host)
        else if (name === 'match') active = outer && this.#matches(args)
        else if (!active) continue
        else if (name === 'include') await this.#include(args, file, depth)
        else this.#set(name, args, line)
      } catch (error) {
        throw new Error(`${file} line ${index + 1}: ${(error as Error).message}`, { cause: error })
      }
    }
  }

  #set(name: string, args: readonly string[], line: string): void {
    if (args.length === 0) throw new Error(`${name} has no value`)
    if (name === 'canonicalizehostname' && !/^(no|none|false)$/i.test(args[0] ?? ''))
      throw new Error('CanonicalizeHostname needs OpenSSH on this machine')
    // A ProxyJump that came first rules out a ProxyCommand, and the other way round.
    const rival = { proxycommand: 'proxyjump', proxyjump: 'proxycommand' }[name]
    if (rival !== undefined && this.#values.has(rival)) return
    // A command is the rest of its line as it is written.
    const value = /command$/.test(name) ? line.trim().replace(/^\S+?(\s*=\s*|\s+)/, '') : args.join(' ')
    const known = this.#values.get(name)
    if (known === undefined) this.#values.set(name, [normalised(name, value)])
    else if (COLLECTED.has(name) && !known.includes(value)) known.push(value)
  }

  async #include(args: readonly string[], from: string, depth: number): Promise<void> {
    for (const arg of args) {
      const path = expandPath(arg, this.#tokens(), this.#local)
      // In a user's own file, relative paths are below ~/.ssh, in the system's below its directory.
      for (const file of await glob(resolve(dirname(from), path)))
        await this.readFile(file, { depth: depth + 1, active: true })
    }
  }

  #matches(args: readonly string[]): boolean {
    const rest = [...args]
    let result = true
    while (rest.length > 0) {
      const word = rest.shift() ?? ''
      const negated = word.startsWith('!')
      const criterion = word.slice(negated ? 1 : 0).toLowerCase()
      if (criterion === 'all') continue
      if (criterion === 'final' || criterion === 'canonical') {
        if (criterion === 'final') this.wantsFinalPass = true
        const passed = criterion === 'final' && this.final
        if (passed === negated) result = false
        continue
      }
      const argument = rest.shift()
      if (argument === undefined) throw new Error(`Match ${criterion} has no value`)
      if (this.#matchesOne(criterion, argument, () => result) === negated) result = false
    }
    return result
  }

  #matchesOne(criterion: string, argument: string, soFar: () => boolean): boolean {
    const patterns = argument.split(',')
    switch (criterion) {
      case 'host':
        return matchesPatternList(patterns, this.#hostname())
      case 'originalhost':
        return matchesPatternList(patterns, this.#query.host)
      case 'user':
        return matchesPatternList(patterns, this.#values.get('user')?.[0] ?? this.#local.user)
      case 'localuser':
        return matchesPatternList(patterns, this.#local.user)
      default:
        // OpenSSH runs nothing where the criteria before have failed.
        if (criterion === 'exec' && !soFar()) return false
        throw new Error(`Match ${criterion} needs OpenSSH on this machine`)
    }
  }

  #hostname(): string {
    const { host } = this.#query
    return expandTokens(this.#values.get('hostname')?.[0] ?? host, { '%': '%', h: host })
  }

  #tokens(): Tokens {
    const { host } = this.#query
    return tokensOf(this.#local, {
      asked: host,
      host: this.#hostname(),
      port: Number(this.#values.get('port')?.[0] ?? 22),
      user: this.#values.get('user')?.[0] ?? this.#local.user,
      jump: '',
      alias: this.#values.get('hostkeyalias')?.[0],
    })
  }
}

/** Times and jump hosts as `ssh -G` prints them. */
function normalised(name: string, value: string): string {
  if (name === 'proxyjump') return value.replaceAll(/(^|,)\s*ssh:\/\//g, '$1')
  if (name !== 'connecttimeout' && name !== 'serveraliveinterval') return value
  const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }
  const parts = [...value.toLowerCase().matchAll(/(\d+)([smhdw]?)/g)]
  return String(parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit || 's'] ?? 1), 0))
}

/** The words of a line: separated by blanks, the keyword also by `=`; quotes hold blanks together; `#` ends it. */
function wordsOf(line: string): string[] {
  const text = line.trim()
  if (text === '' || text.startsWith('#')) return []
  const [, keyword = '', rest = ''] = /^([^\s=]+)(?:\s*=\s*|\s+|$)(.*)$/s.exec(text) ?? []
  const words: string[] = []
  for (const [whole] of rest.matchAll(/(?:"(?:\\.|[^"])*"?|'[^']*'?|\\.|[^\s"'\\])+/g)) {
    if (whole.startsWith('#')) break
    words.push(whole.replaceAll(/["']|\\(["'\\ ])/g, '$1'))
  }
  return [keyword, ...words]
}

/** The files of a pattern, sorted as glob(3) does. */
async function glob(pattern: string): Promise<string[]> {
  if (!/[*?]/.test(pattern)) return [pattern]
  const folders = await glob(dirname(pattern))
  const last = pattern.slice(dirname(pattern).length).replace(/^\//, '')
  const found = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(folder).catch(() => [])
      return names
        .filter((name) => (last.startsWith('.') || !name.startsWith('.')) && matchesPatternList([last], name))
        .map((name) => join(folder, name))
    }),
  )
  return found.flat().toSorted()
}
