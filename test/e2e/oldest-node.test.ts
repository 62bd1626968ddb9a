import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

/** The oldest Node that package.json allows, from the npm registry; kept in the user's cache. */
function oldestNode(): string {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    engines: { node: string }
  }
  const version = `${engines.node.replace('>=', '')}.0`
  const cache = join(homedir(), '.cache', 'relay-backup-tests')
  const folder = join(cache, `node-${version}`)
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true })
    const making = mkdtempSync(join(cache, 'making-'))
    const archive = `node-${process.platform}-${process.arch}@${version}`
    const packed = execFileSync('npm', ['pack', '--silent', archive], { cwd: making, encoding: 'utf8' })
    execFileSync('tar', ['-xzf', packed.trim()], { cwd: making })
    renameSync(join(making, 'package'), folder)
    rmSync(making, { recursive: true })
  }
  return join(folder, 'bin/node')
}

test('the oldest Node that is let in runs the whole story', () => {
  const demo = spawnSync(oldestNode(), [join(ROOT, 'bin/relay-backup.js'), 'demo'], { encoding: 'utf8' })
  expect(demo.status, demo.stderr).toBe(0)
  expect(demo.stderr).toContain('identical')
})
