import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Programs and the Debian package that brings each. */
export type Tools = Readonly<Record<string, string>>

// What the integration and end-to-end tests run against.
const TOOLS: Tools = {
  sshd: 'openssh-server',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  'ssh-agent': 'openssh-client',
  'redis-server': 'redis-server',
  'redis-cli': 'redis-tools',
  gpg: 'gnupg',
  zstd: 'zstd',
  busybox: 'busybox',
  dash: 'dash',
  setfacl: 'acl',
  getfattr: 'attr',
  ip: 'iproute2',
  dockerd: 'docker.io',
  'docker-compose': 'docker-compose',
  setpriv: 'util-linux',
  sudo: 'sudo',
  pgrep: 'procps',
}
const FOLDERS = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
const POLICY = '/usr/sbin/policy-rc.d'

/** vitest's global set-up: everything that the tests need is there, or the run ends with what is missing. */
export default function setup(): void {
  ensureTools(TOOLS)
  if (process.getuid?.() !== 0) {
    throw new Error('These tests start their own sshd and make temporary users, so they must run as root.')
  }
  buildWhenMissing()
}

/** Installs what is missing with apt-get, or throws with the packages to install by hand. */
export function ensureTools(tools: Tools): void {
  const missing = missingTools(tools)
  if (missing.length === 0) return
  const packages = [...new Set(missing.map((tool) => tools[tool] ?? tool))]
  if (process.getuid?.() !== 0 || !find('apt-get')) {
    throw new Error(
      `Missing here: ${missing.join(', ')}. Install them (Debian: apt-get install ${packages.join(' ')}).`,
    )
  }
  install(packages)
  const still = missingTools(tools)
  if (still.length > 0) throw new Error(`apt-get brought no ${still.join(', ')}; install them by hand.`)
}

function missingTools(tools: Tools): string[] {
  return Object.keys(tools).filter((tool) => !find(tool))
}

function find(tool: string): boolean {
  return FOLDERS.some((folder) => folder !== '' && existsSync(join(folder, tool)))
}

function install(packages: readonly string[]): void {
  // Debian starts a daemon when its package is installed, unless this policy forbids it; the tests start their own.
  const ours = !existsSync(POLICY)
  if (ours) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'inherit', env })
    execFileSync('apt-get', ['install', '-qq', '-y', '--no-install-recommends', ...packages], {
      stdio: 'inherit',
      env,
    })
  } finally {
    if (ours) rmSync(POLICY, { force: true })
  }
}

function buildWhenMissing(): void {
  const root = join(import.meta.dirname, '../..')
  const bin = join(root, 'bin/relay-backup.js')
  if (spawnSync(process.execPath, [bin, '--version']).status === 0) return
  execFileSync(process.execPath, [join(root, 'scripts/build.js')], { cwd: root, stdio: 'inherit' })
}
