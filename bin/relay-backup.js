#!/usr/bin/env node
// Says plainly that Node is too old before any newer syntax or API is loaded.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 15)) {
  process.stderr.write(
    `relay-backup needs Node 22.15 or newer (it uses Node's own zstd); this is Node ${process.versions.node}.\n` +
      `Next: install a current Node from https://nodejs.org, or run it through npm scripts of this repository, which bring their own.\n`,
  )
  process.exit(2)
}
import('../dist/main.js').then(
  ({ main }) => main(process.argv),
  (error) => {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error
    process.stderr.write(`relay-backup is not built: ${error.message}\nNext: npm run build\n`)
    process.exit(2)
  },
)
