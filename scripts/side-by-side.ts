// Runs npm scripts of this package at once: `node scripts/side-by-side.ts NAME…`. Each one's output comes whole when it
// ends. Exit status 1 when one of them fails.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

const results = process.argv.slice(2).map(async (name) => {
  const child = spawn('npm', ['run', '--silent', name], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  process.stdout.write(`${name}: ${status === 0 ? 'well' : 'failed'}\n${stdout}`)
  process.stderr.write(stderr)
  return status === 0
})
if ((await Promise.all(results)).includes(false)) process.exitCode = 1
