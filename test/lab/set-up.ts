import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { ensurePrograms, find } from './install.ts'
import { PROGRAMS } from './programs.ts'
import { TEST_RUN, TEST_TURN } from './runner.ts'

const ROOT = join(import.meta.dirname, '../..')

/**
 * vitest's global set-up, the same for all projects: what the tests need is there, or the run ends with what is missing.
 * Test processes get a PATH of declared programs only, and a TMPDIR of this run's. When the run ends, however it ends,
 * what its tests have left running or mounted goes too.
 */
export default async function setUp(): Promise<(() => Promise<void>) | undefined> {
  // Another project's set-up of this run was first.
  if (process.env[TEST_RUN] !== undefined) return undefined
  process.env[TEST_RUN] = 'begun'
  await ensurePrograms(PROGRAMS)
  if (process.getuid?.() !== 0) {
    throw new Error('The tests start their own sshd and make temporary users, so they must run as root.')
  }
  buildWhenMissing()
  // Short: sockets lie below it, and their names may have 107 bytes.
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'rb-'))
  chmodSync(folder, 0o1777)
  const reaper = spawn(process.execPath, [join(import.meta.dirname, 'reaper.ts'), folder], {
    stdio: ['pipe', 'inherit', 'inherit'],
    detached: true,
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
  })
  process.env[TEST_RUN] = folder
  process.env[TEST_TURN] ??= turn()
  process.env['TMPDIR'] = folder
  process.env['PATH'] = declaredPrograms(join(folder, 'bin'))
  return async () => {
    const ended = once(reaper, 'exit')
    reaper.stdin.end('done\n')
    await ended
  }
}

/** A folder of links to the declared programs, to those of Debian's required packages, and to this Node. */
function declaredPrograms(folder: string): string {
  mkdirSync(folder, { mode: 0o755 })
  const programs = new Map<string, string>()
  const dpkg = (...args: string[]) =>
    execFileSync('dpkg-query', args, { encoding: 'utf8', maxBuffer: 1 << 28 }).split('\n')
  const required = dpkg('-W', '-f', '${Package}\t${Priority}\n')
    .filter((line) => line.endsWith('\trequired'))
    .map((line) => line.split('\t')[0] ?? '')
  for (const path of dpkg('-L', ...required)) {
    if (/^\/(usr\/)?s?bin\/[^/]+$/.test(path)) programs.set(basename(path), path)
  }
  // awk and the like: links that lead to one of several packages' programs.
  for (const directory of ['/usr/bin', '/usr/sbin']) {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (!entry.isSymbolicLink()) continue
      const path = join(directory, entry.name)
      if (!readlinkSync(path).startsWith('/etc/alternatives/')) continue
      const leadsTo = [realpathSync(path), ...choicesOf(entry.name)].find((one) =>
        programs.has(basename(one)),
      )
      if (leadsTo !== undefined) programs.set(entry.name, leadsTo)
    }
  }
  for (const program of Object.keys(PROGRAMS)) programs.set(program, find(program) ?? program)
  programs.set('node', process.execPath)
  const npm = find('npm')
  if (npm !== undefined) programs.set('npm', npm)
  for (const [name, path] of programs) symlinkSync(path, join(folder, name))
  return folder
}

/** What such a link may lead to: a package that is no required one may have taken it, as gawk takes awk. */
function choicesOf(name: string): string[] {
  const file = join('/var/lib/dpkg/alternatives', name)
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
}

/** How many commits there are: it chooses which share of the long tests is run. */
function turn(): string {
  const { status, stdout } = spawnSync('git', ['rev-list', '--count', 'HEAD'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  return status === 0 ? stdout.trim() : '0'
}

function buildWhenMissing(): void {
  const bin = join(ROOT, 'bin/relay-backup.js')
  if (spawnSync(process.execPath, [bin, '--version']).status === 0) return
  execFileSync(process.execPath, [join(ROOT, 'scripts/build.js')], { cwd: ROOT, stdio: 'inherit' })
}
