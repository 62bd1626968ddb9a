import { readFile } from 'node:fs/promises'
import { homeDirectory } from '../../model/home.ts'
import { parseTarget } from '../../model/target.ts'
import { userConfigFile } from './ask-openssh.ts'
import { settingsOf } from './resolve.ts'

/** No config has a name for this one, but for patterns that take every name. */
const NOBODY = 'relay-backup-asks-for-nobody'

/**
 * Whether OpenSSH's config has this name: the user's own file lists it, or more is said of it than of every name, as by a
 * pattern or an included file. `NAME:PORT` is asked as NAME.
 *
 * @throws ConnectionError `ssh-config` when that config is wrong.
 */
export async function isAlias(name: string, signal: AbortSignal): Promise<boolean> {
  const target = parseTarget(name)
  if (target === undefined) return false
  if ((await aliases()).includes(target.host)) return true
  const [own, nobody] = [await said(target.host, signal), await said(NOBODY, signal)]
  // `HostName %h.example.com` says the same of every name. OpenSSH puts names into lower case.
  return own.toLowerCase() !== nobody.replaceAll(NOBODY, target.host).toLowerCase()
}

/** The names that the user's own config file has for servers, for suggestions; none where it can't be read. */
export async function aliases(): Promise<readonly string[]> {
  const text = await readFile(userConfigFile(homeDirectory(process.env)), 'utf8').catch(() => '')
  return [...text.matchAll(/^[ \t]*host(?:[ \t]*=[ \t]*|[ \t]+)(.*)$/gim)]
    .flatMap(([, names = '']) => names.trim().split(/\s+/))
    .filter((name) => /^[\w.-]+$/.test(name))
}

/** As text; without what has a hash of the name in it. */
async function said(name: string, signal: AbortSignal): Promise<string> {
  const settings = await settingsOf({ host: name }, signal)
  return JSON.stringify([...settings].filter(([keyword]) => !['host', 'controlpath'].includes(keyword)))
}
