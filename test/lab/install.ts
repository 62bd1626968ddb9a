import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const FOLDERS = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
const POLICY = '/usr/sbin/policy-rc.d'
/** Another apt or dpkg may be at work, as on a machine that has just started. */
const APT = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3']
const TRIES = 3
/** ms */
const PAUSE = 5_000

/**
 * Installs with apt-get what is missing of these programs (program: its Debian package). Throws with a plain list of
 * what to install by hand where it may not or can't.
 */
export async function ensurePrograms(programs: Readonly<Record<string, string>>): Promise<void> {
  const packages = packagesOf(programs, missing(programs))
  if (packages.length === 0) return
  const problem =
    process.getuid?.() !== 0
      ? 'only root may install'
      : find('apt-get') === undefined
        ? 'there is no apt-get'
        : await install(packages)
  const still = missing(programs)
  if (still.length === 0) return
  throw new Error(
    [
      `The tests need programs that are not here, and they could not be installed${problem === undefined ? '' : `: ${problem}`}.`,
      ...still.map((program) => `  ${program}  (Debian package ${programs[program]})`),
      `Next: apt-get update && apt-get install ${packagesOf(programs, still).join(' ')}`,
    ].join('\n'),
  )
}

/** Where a program lies, with sbin whatever the PATH says, as apt's programs often are there. */
export function find(program: string): string | undefined {
  return FOLDERS.filter((folder) => folder !== '')
    .map((folder) => join(folder, program))
    .find((path) => existsSync(path))
}

function missing(programs: Readonly<Record<string, string>>): string[] {
  return Object.keys(programs).filter((program) => find(program) === undefined)
}

function packagesOf(programs: Readonly<Record<string, string>>, names: readonly string[]): string[] {
  return [...new Set(names.map((name) => programs[name] ?? name))].sort()
}

/** Why it failed, after all tries. */
async function install(packages: readonly string[]): Promise<string | undefined> {
  // Debian starts a daemon when its package is installed, unless this policy forbids it; the tests start their own.
  const ours = !existsSync(POLICY)
  if (ours) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    let problem: string | undefined
    for (let left = TRIES; left > 0; left -= 1) {
      problem =
        apt('update', '-qq') ?? apt('install', '-qq', '-y', '--no-install-recommends', '--', ...packages)
      if (problem === undefined || left === 1) return problem
      process.stderr.write(`${problem}; trying again\n`)
      await sleep(PAUSE)
    }
    return problem
  } finally {
    if (ours) rmSync(POLICY, { force: true })
  }
}

function apt(...args: string[]): string | undefined {
  const { status, error } = spawnSync('apt-get', [...APT, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  if (error !== undefined) return `apt-get does not start (${error.message})`
  return status === 0 ? undefined : `apt-get ${args[0]} ended with status ${status}`
}
