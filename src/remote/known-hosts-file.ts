import { randomBytes } from 'node:crypto'
import { devNull } from 'node:os'
import { copyFile, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ConnectionError } from '../errors.ts'
import { knownHostsLine, matchesHost, parseKnownHosts } from './known-hosts.ts'
import type { KnownHostsEntry } from './known-hosts.ts'
import type { Endpoint } from './openssh/endpoint.ts'

/**
 * The file that trusted keys are written to.
 *
 * @throws ConnectionError when OpenSSH's config names none.
 */
export function knownHostsFile({ knownHosts, asked }: Pick<Endpoint, 'knownHosts' | 'asked'>): string {
  const [file] = knownHosts.user
  if (file !== undefined && file !== devNull) return file
  throw new ConnectionError(
    'ssh-config',
    `UserKnownHostsFile names no file that could keep the key of ${asked}`,
    {
      next: 'Name one in the config: ssh.knownHosts',
    },
  )
}

/**
 * All entries that count for a connection; a file that is not there has none. Revoked keys are those of all hosts.
 *
 * @throws ConnectionError when the file of revoked keys can't be used: without it, none could be told.
 */
export async function readKnownHosts({
  knownHosts,
}: Pick<Endpoint, 'knownHosts'>): Promise<KnownHostsEntry[]> {
  const { user, system, revoked } = knownHosts
  const read = await Promise.all(
    [...user, ...system].map(async (file) => parseKnownHosts(await readText(file), file)),
  )
  return [...read.flat(), ...(revoked === undefined ? [] : await readRevoked(revoked))]
}

/** `RevokedHostKeys`: a public key a line. */
async function readRevoked(file: string): Promise<KnownHostsEntry[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => error)
  const binary = typeof text === 'string' && text.startsWith('SSHKRL')
  if (typeof text !== 'string' || binary)
    throw new ConnectionError(
      'ssh-config',
      `The revoked host keys in ${file} can't be read: ${binary ? 'it is a binary list (KRL)' : text instanceof Error ? text.code : ''}`,
      { next: 'List the keys as text, one public key a line, or take RevokedHostKeys out of ~/.ssh/config' },
    )
  return parseKnownHosts(
    text
      .split('\n')
      .map((line) => (/^\s*(#|$)/.test(line) ? line : `@revoked * ${line}`))
      .join('\n'),
    file,
  )
}

/**
 * Appends a host's keys in one write. A new file is 0600, its directory 0700. The name is hashed when that is asked for
 * or the file's other names are.
 */
export async function addKnownHost(
  file: string,
  host: string,
  port: number,
  keys: readonly Buffer[],
  hashed = false,
): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const before = await readText(file)
  const gap = before === '' || before.endsWith('\n') ? '' : '\n'
  await using handle = await open(file, 'a', 0o600)
  await handle.write(gap + newLines(before, host, port, keys, hashed))
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
  hashed = false,
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
      await handle.writeFile(rest + gap + newLines(before, host, port, keys, hashed))
      await handle.sync()
    }
    await rename(temporary, target)
  } finally {
    await rm(temporary, { force: true })
  }
}

function newLines(
  before: string,
  host: string,
  port: number,
  keys: readonly Buffer[],
  asked: boolean,
): string {
  const hashed = asked || parseKnownHosts(before, '').some((entry) => entry.hosts.startsWith('|1|'))
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
