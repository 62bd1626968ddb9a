import type { AnyAuthMethod, ParsedKey } from 'ssh2'
import type { SshConfig } from '../model/config.ts'
import type { Secret, SecretReference } from '../model/secret.ts'
import { AgentKey, answers } from './agent-key.ts'
import { fingerprint } from './known-hosts.ts'
import { defaultIdentityFiles, readIdentity } from './identity-file.ts'
import type { UnusableIdentity } from './identity-file.ts'

/** Finds a secret where the config says it is (`ResolveSecret` of the secrets). */
export type SecretLookup = (reference: SecretReference, signal: AbortSignal) => Promise<Secret>

/** One way to log in. It is made when its turn comes, so that secrets are asked for only when they are needed. */
interface Candidate {
  /** The method as the server names it. */
  readonly method: 'publickey' | 'password' | 'keyboard-interactive'
  /** For the error: `key ~/.ssh/id_ed25519`. */
  readonly name: string
  /** Undefined when it can't be tried after all; `skipped` says why. */
  attempt(): Promise<AnyAuthMethod | undefined>
}

/** Walks through the ways in and remembers what was tried. */
export interface Authentication {
  /** The next attempt, or false when none is left. `methods` are those the server takes; null before it said. */
  next(methods: readonly string[] | null, partial: boolean): Promise<AnyAuthMethod | false>
  /** What was tried, named for a person. */
  readonly tried: readonly string[]
  /** What could not be tried, and why. */
  readonly skipped: readonly UnusableIdentity[]
  /** The methods that the server said it takes. */
  readonly accepted: readonly string[]
}

/**
 * The ways to log in, in order: the configured key file (a public one names a key of the agent), the agent, the default
 * key files (when none is configured), the password. OpenSSH's server ends the connection after six failures, so what
 * was named comes first.
 */
export function createAuthentication(
  ssh: SshConfig,
  user: string,
  options: {
    readonly resolveSecret: SecretLookup
    readonly signal: AbortSignal
    readonly env: NodeJS.ProcessEnv
  },
): Authentication {
  const { resolveSecret, signal, env } = options
  const tried: string[] = []
  const skipped: UnusableIdentity[] = []
  let accepted: readonly string[] = []
  let greeted = false

  const keyFile = (file: string, byDefault: boolean): Candidate => ({
    method: 'publickey',
    name: `key ${file}`,
    async attempt() {
      const reference = ssh.identityPassphrase
      const passphrase = reference && !byDefault ? () => resolveSecret(reference, signal) : undefined
      const identity = await readIdentity(file, passphrase)
      if ('key' in identity) return { type: 'publickey', username: user, key: identity.key }
      if ('publicKey' in identity) return ofAgent(file, identity.publicKey)
      if (!(byDefault && identity.unusable.problem === 'absent')) skipped.push(identity.unusable)
      return undefined
    },
  })

  const socket = agentSocket(ssh.agent, env)
  const ofAgent = async (file: string, publicKey: ParsedKey): Promise<AnyAuthMethod | undefined> => {
    const agent = socket === undefined ? undefined : new AgentKey(socket, publicKey)
    if (await agent?.has()) return { type: 'agent', username: user, agent: agent as AgentKey }
    const name = `${file} (${fingerprint(publicKey.getPublicSSH())})`
    skipped.push({
      problem: 'absent',
      message: `${name} is a public key, and ${socket === undefined ? 'there is no agent' : `the agent at ${socket} does not have its private half`}`,
      next: `Load the private half into the agent: ssh-add ${file.replace(/\.pub$/, '')}; or point ssh.identityFile at it`,
    })
    return undefined
  }
  const agent = (path: string): Candidate => ({
    method: 'publickey',
    name: `agent ${path}`,
    async attempt() {
      if (await answers(path)) return { type: 'agent', username: user, agent: path }
      skipped.push({
        problem: 'unreadable',
        message: `no agent answers at ${path}`,
        next: 'Start an agent (eval "$(ssh-agent)"; ssh-add) or set ssh.agent to false',
      })
      return undefined
    },
  })

  let password: Promise<Secret> | undefined
  const withPassword = (method: 'password' | 'keyboard-interactive'): Candidate[] => {
    const reference = ssh.password
    if (reference === undefined) return []
    const reveal = async () => (await (password ??= resolveSecret(reference, signal))).reveal()
    return [
      {
        method,
        name: method,
        attempt: async () =>
          method === 'password'
            ? { type: 'password', username: user, password: await reveal() }
            : keyboardInteractive(user, await reveal()),
      },
    ]
  }

  const waiting: Candidate[] = [
    ...(ssh.identityFile === undefined ? [] : [keyFile(ssh.identityFile, false)]),
    ...(socket === undefined ? [] : [agent(socket)]),
    ...(ssh.identityFile === undefined ? defaultIdentityFiles().map((file) => keyFile(file, true)) : []),
    ...withPassword('password'),
    ...withPassword('keyboard-interactive'),
  ]

  return {
    tried,
    skipped,
    get accepted() {
      return accepted
    },
    async next(methods, partial) {
      if (!greeted) {
        // This asks only for the list of methods (RFC 4252 section 5.2), so that no secret is fetched in vain.
        greeted = true
        return { type: 'none', username: user }
      }
      accepted = methods ?? accepted
      if (partial) tried.push('(accepted, the server wants another method)')
      for (;;) {
        const index = waiting.findIndex(({ method }) => methods === null || methods.includes(method))
        const [candidate] = index === -1 ? [] : waiting.splice(index, 1)
        if (candidate === undefined) return false
        const attempt = await candidate.attempt()
        if (attempt === undefined) continue
        tried.push(candidate.name)
        return attempt
      }
    },
  }
}

/** Answers a single hidden question with the password; a server that asks for more wants something else. */
function keyboardInteractive(username: string, password: string): AnyAuthMethod {
  return {
    type: 'keyboard-interactive',
    username,
    prompt: (_name, _instructions, _language, prompts, finish) => {
      finish(prompts.length === 1 && prompts[0]?.echo !== true ? [password] : [])
    },
  }
}

function agentSocket(agent: SshConfig['agent'], env: NodeJS.ProcessEnv): string | undefined {
  if (agent === false) return undefined
  if (typeof agent === 'string') return agent
  return env['SSH_AUTH_SOCK'] || undefined
}
