import { loadConfig } from '../config/load.ts'
import { ConnectionError, InterruptedError, RelayError, UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { SshConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { parseTarget } from '../model/target.ts'
import { hostKeyError } from '../remote/host-key-error.ts'
import { checkHostKey, fingerprint, keyType } from '../remote/known-hosts.ts'
import { addKnownHost, knownHostsFile, readKnownHosts, replaceKnownHost } from '../remote/known-hosts-file.ts'
import type { Endpoint } from '../remote/openssh/endpoint.ts'
import { resolveRoute } from '../remote/openssh/resolve.ts'
import { fetchHostKey } from '../remote/ssh-client.ts'
import type { Destination } from '../remote/ssh-client.ts'
import { resolveSecret } from '../secrets/resolve.ts'
import { chooseHosts } from './choose-hosts.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { personAt } from './ssh-connect.ts'

/** A server on the way to a host; `name` is the host's, for messages. */
interface Target {
  readonly name: string
  readonly ssh: Endpoint
}

type Trust = 'trusted' | 'replaced' | 'already-trusted'

/**
 * `hosts trust HOST`: fetches the server's key, has a person (or `--fingerprint`) confirm it, and writes it to
 * known_hosts. A changed key replaces the old one only then. The servers on the way to it come first, each in the same
 * manner; `--fingerprint` is about the first one whose key is not trusted.
 */
export async function hostsTrust(
  context: CommandContext,
  args: readonly string[],
  flags: { readonly fingerprint?: string },
): Promise<CommandOutcome> {
  const expected = flags.fingerprint
  requireFingerprint(expected)
  const { name, ssh } = await findTarget(context, args[0] ?? '')
  return outcome(name, await trustServers(context, { name, ssh }, expected))
}

/** Throws UsageError when a text is no fingerprint. */
export function requireFingerprint(text: string | undefined): void {
  if (text !== undefined && !/^SHA256:[A-Za-z0-9+/]{43}$/.test(text)) {
    throw new UsageError('That is no fingerprint', {
      next: 'Give it as ssh-keygen -l prints it on the server: SHA256: and 43 characters',
    })
  }
}

interface Trusted {
  readonly key: Buffer
  readonly trust: Trust
  readonly ssh: Endpoint
}

/**
 * Has the key of each server on the way to a host confirmed, and the host's own last. `expected` is the fingerprint of the
 * first one that is not trusted yet; without it a person is asked. Throws ConnectionError and UsageError.
 */
export async function trustServers(
  context: CommandContext,
  { name, ssh }: { readonly name: string; readonly ssh: SshConfig },
  expected: string | undefined,
): Promise<readonly Trusted[]> {
  let fingerprint = expected
  try {
    const destination = { name, route: await resolveRoute(ssh, context) }
    const results: Trusted[] = []
    for (const [index, hop] of destination.route.hops.entries()) {
      const result = await trust(context, destination, index, fingerprint)
      if (result.trust !== 'already-trusted') fingerprint = undefined
      results.push({ ...result, ssh: hop })
    }
    return results
  } catch (error) {
    throw error instanceof RelayError ? error.withDetails({ host: name }) : error
  }
}

async function trust(
  context: CommandContext,
  destination: Destination,
  index: number,
  expected: string | undefined,
): Promise<{ readonly key: Buffer; readonly trust: Trust }> {
  const ssh = destination.route.hops[index] as Endpoint
  const target = { name: destination.name, ssh }
  const key = await fetchHostKey(destination, index, {
    resolveSecret,
    signal: context.signal,
    person: personAt(context),
  })
  const { host, port } = ssh.known
  const check = checkHostKey(await readKnownHosts(ssh), host, port, key)
  if (check.status === 'revoked') throw hostKeyError(target, key, check)
  if (check.status === 'ok' && index < destination.route.hops.length - 1)
    return { key, trust: 'already-trusted' }
  const shown = fingerprint(key)
  if (expected !== undefined && expected !== shown) {
    throw new ConnectionError(
      check.status === 'changed' ? 'host-key-changed' : 'host-key-unknown',
      `The server${index === destination.route.hops.length - 1 ? '' : ` ${ssh.host} on the way`} shows ${keyType(key)} ${shown}, not ${expected}; nothing was trusted`,
      {
        next: `Compare with the server's own: ssh-keygen -l -f /etc/ssh/ssh_host_${shortType(key)}_key.pub`,
      },
    )
  }
  if (check.status === 'ok') return { key, trust: 'already-trusted' }
  if (expected === undefined) await confirm(context, target, key, check)
  const file = knownHostsFile(ssh)
  if (check.status === 'changed' && check.entry.file === file) {
    await replaceKnownHost(file, host, port, [key], ssh.knownHosts.hashed)
    return { key, trust: 'replaced' }
  }
  await addKnownHost(file, host, port, [key], ssh.knownHosts.hashed)
  return { key, trust: 'trusted' }
}

/** An ad-hoc target needs no config file. */
async function findTarget(
  context: CommandContext,
  name: string,
): Promise<{ readonly name: string; readonly ssh: SshConfig }> {
  const parsed = name.includes('@') ? parseTarget(name) : undefined
  if (parsed !== undefined) return { name, ssh: parsed }
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const [host] = await chooseHosts(context, config, { names: [name] })
  if (host === undefined) throw new UsageError(`Unknown host "${name}"`)
  return host
}

async function confirm(
  context: CommandContext,
  target: Target,
  key: Buffer,
  check: Exclude<ReturnType<typeof checkHostKey>, { readonly status: 'ok' }>,
): Promise<void> {
  const problem = hostKeyError(target, key, check)
  if (!context.interactive) {
    throw new UsageError(`${problem.message}; nobody is here to confirm it`, {
      host: target.name,
      next: `Compare the fingerprint with the server's own, then: relay-backup hosts trust ${target.name} --fingerprint ${fingerprint(key)}`,
    })
  }
  const prompts = await import('@inquirer/prompts')
  try {
    const yes = await prompts.confirm(
      {
        message: `${printable(problem.message)}\nIs this the fingerprint that the server itself has (ssh-keygen -l -f /etc/ssh/ssh_host_${shortType(key)}_key.pub)?`,
        default: false,
      },
      { signal: context.signal, output: process.stderr },
    )
    if (yes) return
  } catch (error) {
    if (error instanceof Error && /^(ExitPromptError|AbortPromptError)$/.test(error.name))
      throw new InterruptedError()
    throw error
  }
  throw new ConnectionError(problem.problem, 'The key was not trusted', {
    host: target.name,
    next: 'Find out which key the server really has before you connect',
  })
}

/** As sshd names its key files: `ed25519`, `ecdsa`, `rsa`. */
function shortType(key: Buffer): string {
  return /ed25519|ecdsa|rsa/.exec(keyType(key))?.[0] ?? 'ed25519'
}

function outcome(name: string, results: readonly Trusted[]): CommandOutcome {
  const shown = results.map(({ key, trust, ssh }) => ({
    host: ssh.host,
    result: trust,
    type: keyType(key),
    fingerprint: fingerprint(key),
    knownHosts: ssh.knownHosts.user[0],
  }))
  const lines = shown.map(({ host, result, type, fingerprint, knownHosts }, index) => {
    const subject = index === shown.length - 1 ? name : `${host} (on the way to ${name})`
    const key = `${type} ${fingerprint}`
    return {
      trusted: `${subject}: trusted ${key} (written to ${knownHosts})`,
      replaced: `${subject}: trusted ${key} in place of the old key (kept in ${knownHosts}.old)`,
      'already-trusted': `${subject}: already trusted by ${key}`,
    }[result]
  })
  return {
    exitCode: ExitCode.done,
    quiet: '',
    text: printable(lines.join('\n')),
    json: { ...shown.at(-1), host: name, ...(shown.length > 1 ? { via: shown.slice(0, -1) } : {}) },
  }
}
