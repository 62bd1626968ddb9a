import { mkdirSync, realpathSync, statSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'

/**
 * A directory of this name in the user's cache, made with mode 0700, for code that we run. Not in a shared temporary
 * directory, nor in the current one. undefined where others than this user and root could put a file there. Throws what
 * the file system says.
 */
export function privateCache(name: string): string | undefined {
  // Empty or relative is as if unset (XDG base directory specification).
  const { XDG_CACHE_HOME: xdg, HOME: home } = process.env
  const own = home === '' ? userInfo().homedir : homedir()
  const base = [xdg, join(own, '.cache')].find((path) => path && isAbsolute(path))
  if (base === undefined) return undefined
  const cache = join(base, 'relay-backup', name)
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  return isPrivate(cache) ? cache : undefined
}

/** Nobody but us and root can put a file there, nor a directory in the way to it. */
function isPrivate(directory: string): boolean {
  const uid = process.getuid?.()
  if (uid === undefined) return true
  const real = realpathSync(directory)
  const trusted = (path: string): boolean => {
    const stat = statSync(path)
    const shared = (stat.mode & 0o022) !== 0 && ((stat.mode & 0o1000) === 0 || path === real)
    return (stat.uid === uid || stat.uid === 0) && !shared && (path === '/' || trusted(dirname(path)))
  }
  return trusted(real)
}
