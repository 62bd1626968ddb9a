#!/usr/bin/env node
import { mkdirSync } from 'node:fs'
import module from 'node:module'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

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
  const { XDG_CACHE_HOME: xdg } = process.env
  const cache = join(xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'relay-backup', 'compiled')
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  module.enableCompileCache(cache)
} catch {
  // Without a home to write to, it only starts slower.
}
import('../dist/main.js').then(
  ({ main }) => main(process.argv),
  (error) => {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error
    process.stderr.write(`relay-backup is not built: ${error.message}\nNext: npm run build\n`)
    process.exit(2)
  },
)
