#!/usr/bin/env node
// Says plainly that Node is too old before any newer syntax or API is loaded.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 15)) {
  const quoted = process.argv.slice(1).map((word) => {
    return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
  })
  process.stderr.write(
    `relay-backup needs Node 22.15 or newer (it uses Node's own zstd); this is Node ${process.versions.node}.\n` +
      `Next: npx --yes --package node@24 -- node ${quoted.join(' ')}\n`,
  )
  process.exit(2)
}

import('../dist/start.js').then(
  ({ start }) => start(process.argv),
  (error) => {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error
    process.stderr.write(`relay-backup is not built: ${error.message}\nNext: npm run build\n`)
    process.exit(2)
  },
)
