import { loadConfig } from '../config/load.ts'
import { DEFAULT_CONNECT_TIMEOUT, DEFAULT_KEEP_ALIVE } from '../config/normalise.ts'
import { selectHosts } from '../config/select-hosts.ts'
import { ConnectionError, InterruptedError, RelayError, UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { SshConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { parseTarget } from '../model/target.ts'
import { hostKeyError } from '../remote/host-key-error.ts'
import { checkHostKey, fingerprint, keyType } from '../remote/known-hosts.ts'
import { addKnownHost, knownHostsFile, readKnownHosts, replaceKnownHost } from '../remote/known-hosts-file.ts'
import { fetchHostKey } from '../remote/ssh-client.ts'
import type { CommandContext, CommandOutcome } from './context.ts'

interface Target {
  readonly name: string
  readonly ssh: SshConfig
}

/**
 * `hosts trust HOST`: fetches the server's key, has a person (or `--fingerprint`) confirm it, and writes it to
 * known_hosts. A changed key replaces the old one only then.
 */
export async function hostsTrust(
  context: CommandContext,
  args: readonly string[],
  flags: { readonly fingerprint?: string },
): Promise<CommandOutcome> {
  const expected = flags.fingerprint
  if (expected !== undefined && !/^SHA256:[A-Za-z0-9+/]{43}$/.test(expected)) {
    throw new UsageError('That is no fingerprint', {
      next: 'Give it as ssh-keygen -l prints it on the server: SHA256: and 43 characters',
    })
  }
  const target = await findTarget(context, args[0] ?? '')
  const { name, ssh } = target
  const key = await fetchHostKey(ssh, context.signal).catch((error: unknown) => {
    throw error instanceof RelayError ? error.withDetails({ host: name }) : error
  })
  const check = checkHostKey(await readKnownHosts(ssh), ssh.host, ssh.port, key)
  if (check.status === 'revoked') throw hostKeyError(target, key, check)
  const shown = fingerprint(key)
  if (expected !== undefined && expected !== shown) {
    throw new ConnectionError(
      check.status === 'changed' ? 'host-key-changed' : 'host-key-unknown',
      `The server shows ${keyType(key)} ${shown}, not ${expected}; nothing was trusted`,
      {
        host: name,
        next: `Compare with the server's own: ssh-keygen -l -f /etc/ssh/ssh_host_${shortType(key)}_key.pub`,
      },
    )
  }
  if (check.status === 'ok') return outcome(target, key, 'already-trusted')
  if (expected === undefined) await confirm(context, target, key, check)
  const file = knownHostsFile(ssh)
  if (check.status === 'changed' && check.entry.file === file) {
    await replaceKnownHost(file, ssh.host, ssh.port, [key])
    return outcome(target, key, 'replaced')
  }
  await addKnownHost(file, ssh.host, ssh.port, [key])
  return outcome(target, key, 'trusted')
}

/** An ad-hoc target needs no config file. */
async function findTarget(context: CommandContext, name: string): Promise<Target> {
  const parsed = name.includes('@') ? parseTarget(name) : undefined
  if (parsed !== undefined) {
    return {
      name,
      ssh: { ...parsed, keepAlive: DEFAULT_KEEP_ALIVE, connectTimeout: DEFAULT_CONNECT_TIMEOUT },
    }
  }
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const [host] = selectHosts(config, { names: [name] })
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

function outcome(
  { name, ssh }: Target,
  key: Buffer,
  result: 'trusted' | 'replaced' | 'already-trusted',
): CommandOutcome {
  const file = knownHostsFile(ssh)
  const shown = `${keyType(key)} ${fingerprint(key)}`
  const text = {
    trusted: `${name}: trusted ${shown} (written to ${file})`,
    replaced: `${name}: trusted ${shown} in place of the old key (kept in ${file}.old)`,
    'already-trusted': `${name}: already trusted by ${shown}`,
  }[result]
  return {
    exitCode: ExitCode.done,
    text: printable(text),
    json: { host: name, result, type: keyType(key), fingerprint: fingerprint(key), knownHosts: file },
  }
}
