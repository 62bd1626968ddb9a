#!/usr/bin/env node
import { mkdirSync, realpathSync, statSync } from 'node:fs'
import module from 'node:module'
import { homedir, userInfo } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'

// Says plainly that Node is too old before any newer syntax or API is loaded.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 15)) {
  process.stderr.write(
    `relay-backup needs Node 22.15 or newer (it uses Node's own zstd); this is Node ${process.versions.node}.\n` +
      `Next: install a current Node from https://nodejs.org, or run it through npm scripts of this repository, which bring their own.\n`,
  )
  process.exit(2)
}
// What is compiled once starts faster the next time. Not in Node's default place: a shared temporary directory is no
// place for code that we run.
try {
  // Empty or relative is as if unset (XDG base directory specification).
  const { XDG_CACHE_HOME: xdg, HOME: home } = process.env
  const own = home === '' ? userInfo().homedir : homedir()
  const base = [xdg, join(own, '.cache')].find((path) => path && isAbsolute(path))
  if (base !== undefined) {
    const cache = join(base, 'relay-backup', 'compiled')
    mkdirSync(cache, { recursive: true, mode: 0o700 })
    if (isOurs(cache)) module.enableCompileCache(cache)
  }
} catch {
  // Without a home to write to, it only starts slower.
}

/** Nobody but us and root can put a file there, nor a directory in the way to it. */
function isOurs(directory) {
  const uid = process.getuid?.()
  if (uid === undefined) return true
  const trusted = (path) => {
    const stat = statSync(path)
    const shared = (stat.mode & 0o022) !== 0 && ((stat.mode & 0o1000) === 0 || path === real)
    return (stat.uid === uid || stat.uid === 0) && !shared && (path === '/' || trusted(dirname(path)))
  }
  const real = realpathSync(directory)
  return trusted(real)
}

import('../dist/main.js').then(
  ({ main }) => main(process.argv),
  (error) => {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error
    process.stderr.write(`relay-backup is not built: ${error.message}\nNext: npm run build\n`)
    process.exit(2)
  },
)
