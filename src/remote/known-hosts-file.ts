import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { homeDirectory } from '../model/home.ts'
import type { SshConfig } from '../model/config.ts'
import { knownHostsLine, matchesHost, parseKnownHosts } from './known-hosts.ts'
import type { KnownHostsEntry } from './known-hosts.ts'

const SYSTEM_FILE = '/etc/ssh/ssh_known_hosts'

/** The file that trusted keys are written to. */
export function knownHostsFile(ssh: SshConfig): string {
  return ssh.knownHosts ?? join(homeDirectory(process.env), '.ssh', 'known_hosts')
}

/** All entries that count for a connection; a file that is not there has none. */
export async function readKnownHosts(ssh: SshConfig): Promise<KnownHostsEntry[]> {
  const files = ssh.knownHosts === undefined ? [knownHostsFile(ssh), SYSTEM_FILE] : [ssh.knownHosts]
  const read = await Promise.all(files.map(async (file) => parseKnownHosts(await readText(file), file)))
  return read.flat()
}

/**
 * Appends a host's keys in one write. A new file is 0600, its directory 0700. The name is hashed when the
 * file's other names are.
 */
export async function addKnownHost(
  file: string,
  host: string,
  port: number,
  keys: readonly Buffer[],
): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const before = await readText(file)
  const gap = before === '' || before.endsWith('\n') ? '' : '\n'
  await using handle = await open(file, 'a', 0o600)
  await handle.write(gap + newLines(before, host, port, keys))
  await handle.sync()
}

/**
 * Puts these keys in the place of all lines that match the host. A line may have named other hosts as well:
 * they become unknown, never silently trusted.
 * The file before is kept beside it as `known_hosts.old`, as `ssh-keygen -R` does.
 */
export async function replaceKnownHost(
  file: string,
  host: string,
  port: number,
  keys: readonly Buffer[],
): Promise<void> {
  const target = await realpath(file)
  const before = await readText(target)
  const entries = new Map(parseKnownHosts(before, target).map((entry) => [entry.line, entry]))
  const kept = before.split('\n').filter((_, index) => {
    const entry = entries.get(index + 1)
    return entry === undefined || entry.marker !== undefined || !matchesHost(entry, host, port)
  })
  const rest = kept.join('\n')
  const gap = rest === '' || rest.endsWith('\n') ? '' : '\n'
  await copyFile(target, `${target}.old`)
  const temporary = `${target}.${randomBytes(6).toString('hex')}`
  try {
    {
      await using handle = await open(temporary, 'wx', (await stat(target)).mode & 0o777)
      await handle.writeFile(rest + gap + newLines(before, host, port, keys))
      await handle.sync()
    }
    await rename(temporary, target)
  } finally {
    await rm(temporary, { force: true })
  }
}

function newLines(before: string, host: string, port: number, keys: readonly Buffer[]): string {
  const hashed = parseKnownHosts(before, '').some((entry) => entry.hosts.startsWith('|1|'))
  return keys
    .map((key) => `${knownHostsLine(host, port, key, { salt: hashed ? randomBytes(20) : undefined })}\n`)
    .join('')
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
